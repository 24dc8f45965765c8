// A message while it is put together: frames are noted first and copied once, when the size is known. Reused for every message of a link, so a
// small request costs one allocation: the message itself. Pure.
import { frameHeadSize, writeFrameHead } from "../wire/frame.ts";

export class MessageBuilder {
  /** Octets of the message so far. */
  octets = 0;
  #frames = 0;
  #parts = 0;
  readonly #types: number[] = [];
  readonly #streams: number[] = [];
  readonly #lengths: number[] = [];
  /** Where the frame's parts end in `#bodies`. */
  readonly #partEnds: number[] = [];
  readonly #bodies: Uint8Array[] = [];
  readonly #target: number;

  constructor(targetOctets: number) {
    this.#target = targetOctets;
  }

  /** What still fits until the message has its target size; a frame of control may go beyond it. */
  get room(): number {
    return this.#target - this.octets;
  }

  get isEmpty(): boolean {
    return this.#frames === 0;
  }

  /** Adds a frame; false when the message has reached its target size. */
  readonly add = (type: number, stream: number, payload: Uint8Array): boolean => {
    this.#bodies[this.#parts] = payload;
    this.#parts += 1;
    return this.#note(type, stream, payload.length);
  };

  /** A frame whose payload lies in several places; `length` octets together. The list is the caller's again afterwards. */
  addParts(type: number, stream: number, parts: readonly Uint8Array[], length: number): boolean {
    for (const part of parts) {
      this.#bodies[this.#parts] = part;
      this.#parts += 1;
    }
    return this.#note(type, stream, length);
  }

  #note(type: number, stream: number, length: number): boolean {
    const at = this.#frames;
    this.#types[at] = type;
    this.#streams[at] = stream;
    this.#lengths[at] = length;
    this.#partEnds[at] = this.#parts;
    this.#frames = at + 1;
    this.octets += frameHeadSize(stream, length) + length;
    return this.octets < this.#target;
  }

  build(allocate: (octets: number) => Uint8Array): Uint8Array {
    const out = allocate(this.octets);
    let at = 0;
    let part = 0;
    for (let frame = 0; frame < this.#frames; frame += 1) {
      at = writeFrameHead(out, at, this.#types[frame]!, this.#streams[frame]!, this.#lengths[frame]!);
      for (const end = this.#partEnds[frame]!; part < end; part += 1) {
        const body = this.#bodies[part]!;
        copy(body, out, at);
        at += body.length;
        this.#bodies[part] = EMPTY; // the chunk may be large: do not keep it until the next message
      }
    }
    this.#frames = 0;
    this.#parts = 0;
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
