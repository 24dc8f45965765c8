// A message while it is put together: frames are noted first and copied once, when the size is known. Reused for every message of a link, so a
// small request costs one allocation: the message itself. Pure.
import { frameHeadSize, writeFrameHead } from "../wire/frame.ts";
import { messageBytesTarget } from "../wire/limits.ts";

export class MessageBuilder {
  /** Octets of the message so far. */
  octets = 0;
  #count = 0;
  readonly #types: number[] = [];
  readonly #streams: number[] = [];
  readonly #heads: (Uint8Array | null)[] = [];
  readonly #bodies: Uint8Array[] = [];

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Adds a frame; false when the message has reached its target size. */
  readonly add = (type: number, stream: number, payload: Uint8Array): boolean => this.addParts(type, stream, null, payload);

  /** A frame whose payload is two parts (a LETTER's numbers and its octets). */
  addParts(type: number, stream: number, head: Uint8Array | null, body: Uint8Array): boolean {
    const at = this.#count;
    this.#types[at] = type;
    this.#streams[at] = stream;
    this.#heads[at] = head;
    this.#bodies[at] = body;
    this.#count = at + 1;
    const length = (head === null ? 0 : head.length) + body.length;
    this.octets += frameHeadSize(stream, length) + length;
    return this.octets < messageBytesTarget;
  }

  build(allocate: (octets: number) => Uint8Array): Uint8Array {
    const out = allocate(this.octets);
    let at = 0;
    for (let index = 0; index < this.#count; index += 1) {
      const head = this.#heads[index]!;
      const body = this.#bodies[index]!;
      const headLength = head === null ? 0 : head.length;
      at = writeFrameHead(out, at, this.#types[index]!, this.#streams[index]!, headLength + body.length);
      if (head !== null) out.set(head, at);
      at += headLength;
      copy(body, out, at);
      at += body.length;
      this.#bodies[index] = EMPTY; // the chunk may be large: do not keep it until the next message
      this.#heads[index] = null;
    }
    this.#count = 0;
    this.octets = 0;
    return out;
  }
}

const EMPTY = new Uint8Array(0);

/** Below some dozen octets a loop beats the call into the engine's copy. */
function copy(from: Uint8Array, to: Uint8Array, at: number): void {
  if (from.length > 32) {
    to.set(from, at);
    return;
  }
  for (let index = 0; index < from.length; index += 1) to[at + index] = from[index]!;
}

/** FIN carries nothing. */
export const FIN_PAYLOAD = EMPTY;
