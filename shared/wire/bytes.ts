// Octets in and out of the wire's few shapes: varint (RFC 9000 section 16, shortest form only), octet strings, UTF-8 strings. Pure. A reader
// never reads past its end and never allocates more than is there. Used by frame, decoder and message.
import { Fault } from "../kit/errors.ts";

/** Greatest value on the wire: what a double holds exactly. */
export const varintMax = Number.MAX_SAFE_INTEGER;

export function varintSize(value: number): 1 | 2 | 4 | 8 {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8;
}

/** Writes at `at` and returns the offset behind. The caller has made room: varintSize(value) octets. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    out[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    out[at] = 0x40 | (value >>> 8);
    out[at + 1] = value & 0xff;
    return at + 2;
  }
  if (value < 0x4000_0000) {
    out[at] = 0x80 | (value >>> 24);
    out[at + 1] = (value >>> 16) & 0xff;
    out[at + 2] = (value >>> 8) & 0xff;
    out[at + 3] = value & 0xff;
    return at + 4;
  }
  const high = Math.floor(value / 0x1_0000_0000);
  out[at] = 0xc0 | (high >>> 24);
  out[at + 1] = (high >>> 16) & 0xff;
  out[at + 2] = (high >>> 8) & 0xff;
  out[at + 3] = high & 0xff;
  const low = value >>> 0;
  out[at + 4] = low >>> 24;
  out[at + 5] = (low >>> 16) & 0xff;
  out[at + 6] = (low >>> 8) & 0xff;
  out[at + 7] = low & 0xff;
  return at + 8;
}

export function malformed(why: string): Fault {
  return new Fault("FRAME_MALFORMED", { what: "a frame is not of the documented form", why });
}

/** Reads fields from one payload, front to back. Every read past the end is FRAME_MALFORMED. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.at >= this.end) throw malformed("a field is missing");
    return this.bytes[this.at++]!;
  }

  varint(): number {
    const bytes = this.bytes;
    const at = this.at;
    if (at >= this.end) throw malformed("a number is missing");
    const first = bytes[at]!;
    const size = 1 << (first >>> 6);
    if (at + size > this.end) throw malformed("a number is cut short");
    this.at = at + size;
    if (size === 1) return first;
    if (size === 2) return shortest(((first & 0x3f) << 8) | bytes[at + 1]!, 0x40);
    const high = ((first & 0x3f) * 0x100_0000 + (bytes[at + 1]! << 16) + (bytes[at + 2]! << 8) + bytes[at + 3]!) >>> 0;
    if (size === 4) return shortest(high, 0x4000);
    const low = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
    if (high > 0x1f_ffff) throw malformed("a number is above 2^53-1");
    return shortest(high * 0x1_0000_0000 + low, 0x4000_0000);
  }

  /** A view of the next `count` octets. */
  view(count: number): Uint8Array {
    if (count > this.left) throw malformed("octets are missing");
    const at = this.at;
    this.at = at + count;
    return this.bytes.subarray(at, at + count);
  }

  /** The rest of the payload, as a view. */
  rest(): Uint8Array {
    return this.view(this.left);
  }

  /** A string of octets as one character each (latin1, how HTTP heads are handled). */
  latin1(): string {
    const length = this.varint();
    if (length > this.left) throw malformed("a string is cut short");
    const start = this.at;
    this.at = start + length;
    return latin1Text(this.bytes, start, this.at);
  }

  /** A string of UTF-8; broken sequences become U+FFFD, for these are words for people. */
  utf8(octetsMax: number): string {
    const length = this.varint();
    if (length > octetsMax) throw malformed(`a string is over ${octetsMax} octets`);
    return utf8Decoder.decode(this.view(length));
  }

  finish(): void {
    if (this.at !== this.end) throw malformed(`${this.end - this.at} octets are left over after the last field`);
  }
}

const utf8Decoder = new TextDecoder("utf-8");
const utf8Encoder = new TextEncoder();

function shortest(value: number, least: number): number {
  if (value < least) throw malformed("a number is not in its shortest form");
  return value;
}

/** A Uint8Array that brings its own reader of single octets, as Node's Buffer does: a tenth of the time for a head (measured). */
interface Latin1Reader {
  latin1Slice?(start: number, end: number): string;
}

/** Characters 0 to 255 from octets. TextDecoder cannot: its "latin1" is windows-1252. */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  const own = (bytes as Latin1Reader).latin1Slice?.(start, end);
  if (own !== undefined) return own;
  if (end - start <= CHUNK) return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  let text = "";
  for (let at = start; at < end; at += CHUNK) text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(end, at + CHUNK)) as unknown as number[]);
  return text;
}

/** From here on the engine's encoder beats a loop. */
const encodeWorthChars = 48;
/** Arguments of one call: far below the engines' limit. */
const CHUNK = 4_096;

/** A growing buffer for payloads that are built field by field (heads, link frames). Reused; `done` hands out a copy. */
export class ByteWriter {
  #bytes = new Uint8Array(1_024);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  reset(): this {
    this.#at = 0;
    return this;
  }

  varint(value: number): this {
    this.#room(8);
    this.#at = writeVarint(this.#bytes, this.#at, value);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** Characters above 255 cannot be sent: Fault HEADER_REFUSED. */
  latin1(text: string): this {
    const length = text.length;
    this.#room(2 * length + 8);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#at, length);
    // As many octets as characters means that all of them are ASCII, and then UTF-8 is latin1.
    if (length > encodeWorthChars && utf8Encoder.encodeInto(text, bytes.subarray(at)).written === length) {
      this.#at = at + length;
      return this;
    }
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0xff) throw new Fault("HEADER_REFUSED", { what: "a header value holds a character above U+00FF", why: "heads are octets" });
      bytes[at++] = code;
    }
    this.#at = at;
    return this;
  }

  utf8(text: string, octetsMax: number): this {
    const bytes = utf8Encoder.encode(text).subarray(0, octetsMax);
    return this.varint(bytes.length).raw(bytes);
  }

  done(allocate: (octets: number) => Uint8Array = plain): Uint8Array {
    const copy = allocate(this.#at);
    copy.set(this.#bytes.subarray(0, this.#at));
    if (this.#bytes.length > SCRATCH_KEPT) this.#bytes = new Uint8Array(SCRATCH_KEPT);
    return copy;
  }

  #room(octets: number): void {
    const wanted = this.#at + octets;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** One large head must not keep a megabyte alive for ever. */
const SCRATCH_KEPT = 16_384;
const plain = (octets: number): Uint8Array => new Uint8Array(octets);
