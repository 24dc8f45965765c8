// Octets of one socket that came and were not read: part of a head, or what was sent ahead of an answer. Grows by doubling, so that a head sent one octet at a
// time costs a few copies of itself and no object for each piece. Bounded by its caller. Called by h1-peer.

const NONE = Buffer.alloc(0);

export class HeldOctets {
  #room: Buffer | null = null;
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  get length(): number {
    return this.#length;
  }

  /** Octets of memory, what is not filled yet included: never more than twice `length`. */
  get roomOctets(): number {
    return this.#room?.length ?? 0;
  }

  /** All of them in one piece; what was given out before stays as it is, for its octets are never written again. */
  get all(): Buffer {
    if (this.#room === null) return NONE;
    return this.#room.length === this.#length ? this.#room : this.#room.subarray(0, this.#length);
  }

  /** The first piece is kept as it came: most heads are one. */
  add(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (this.#room === null || this.#length === 0) this.#room = chunk;
    else {
      if (length > this.#room.length) this.#grow(length);
      this.#room.set(chunk, this.#length);
    }
    this.#length = length;
  }

  #grow(length: number): void {
    const room = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#room!.length));
    room.set(this.#room!.subarray(0, this.#length));
    this.#room = room;
  }

  /** Gives them to the caller and is empty. */
  take(): Buffer {
    const all = this.all;
    this.#room = null;
    this.#length = 0;
    return all;
  }
}
