// Counts on the wire what may leave once a link: reads frames as PROTOCOL.md section 1 has them and nothing of the product's code, keeps the letters that left on each
// cable, and says when one leaves again that nobody refused.
const LETTER = 0x0b;
const RECEIPT = 0x0c;
const MORE_AND_IGNORABLE = 0xc0;

class Reader {
  readonly #octets: Buffer;
  at = 0;

  constructor(octets: Uint8Array) {
    this.#octets = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  get isAtEnd(): boolean {
    return this.at >= this.#octets.length;
  }

  octet(): number {
    this.at += 1;
    return this.#octets[this.at - 1]!;
  }

  /** RFC 9000 section 16. */
  varint(): number {
    const first = this.octet();
    let value = first & 0x3f;
    for (let more = (1 << (first >> 6)) - 1; more > 0; more -= 1) value = value * 256 + this.octet();
    return value;
  }

  take(count: number): Buffer {
    this.at += count;
    return this.#octets.subarray(this.at - count, this.at);
  }
}

/** Whether a message brings receipts, or letters. */
export function brings(what: "receipt" | "letter", message: Uint8Array): boolean {
  const wanted = what === "receipt" ? RECEIPT : LETTER;
  const frames = new Reader(message);
  while (!frames.isAtEnd) {
    const type = frames.octet() & ~MORE_AND_IGNORABLE;
    frames.varint(); // stream
    frames.take(frames.varint());
    if (type === wanted) return true;
  }
  return false;
}

/** Ids of the letters that begin in a message. */
function lettersIn(message: Uint8Array): string[] {
  const ids: string[] = [];
  const frames = new Reader(message);
  while (!frames.isAtEnd) {
    const type = frames.octet() & ~MORE_AND_IGNORABLE;
    frames.varint(); // stream
    const payload = frames.take(frames.varint());
    if (type !== LETTER) continue;
    const letter = new Reader(payload);
    letter.varint(); // number
    const offset = letter.varint();
    letter.varint(); // total
    if (offset > 0) continue;
    const headOctets = letter.take(4).readUInt32BE(0);
    ids.push((JSON.parse(letter.take(headOctets).toString("utf8")) as { id: string }).id);
  }
  return ids;
}

export class WireWatch {
  readonly #left = new Map<string, Set<string>>();
  readonly #refused = new Set<string>();
  /** Letters that left, in all. */
  letters = 0;

  /** The ids that left a second time on this cable although their first receipt refused nothing. */
  twice(site: string, from: "agent" | "relay", message: Uint8Array, cable: number): string[] {
    const key = `${site} ${from} ${cable}`;
    let left = this.#left.get(key);
    if (left === undefined) this.#left.set(key, (left = new Set()));
    const again: string[] = [];
    for (const id of lettersIn(message)) {
      this.letters += 1;
      if (left.has(id) && !this.#refused.delete(`${site} ${from} ${id}`)) again.push(id);
      left.add(id);
    }
    return again;
  }

  refused(site: string, from: "agent" | "relay", id: string): void {
    this.#refused.add(`${site} ${from} ${id}`);
  }
}
