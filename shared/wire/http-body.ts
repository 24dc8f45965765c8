// Where an HTTP/1.1 body ends (RFC 9112 sections 6 and 7): by its length, by chunks, or with its socket. Takes octets as they come, hands out content as places
// in what was given, keeps none. Strict: no chunk extensions, exact CRLF, sizes without sign or space; trailers are read and dropped, bounded. Pure.
import { Fault } from "../kit/errors.ts";
import { latin1Text } from "./bytes.ts";
import { parseHeaderBlock } from "./http-head.ts";

export type BodyFraming = { readonly kind: "none" } | { readonly kind: "length"; readonly octets: number } | { readonly kind: "chunked" } | { readonly kind: "close" };

type State = "content" | "size" | "size-lf" | "chunk" | "chunk-cr" | "chunk-lf" | "trailer" | "done";

/** 13 hexadecimal digits stay below 2^53. */
const sizeDigitsMax = 13;
/** Octets of trailers that are read and dropped. */
const trailerBytesMax = 8_192;
const CR = 0x0d;
const LF = 0x0a;

export class BodyDecoder {
  /** The content found by the last `step`: octets `from` to `to` of what was given; equal when it found none. */
  from = 0;
  to = 0;
  readonly #endsWithSocket: boolean;
  #state: State;
  #left = 0;
  #digits = 0;
  /** Trailer lines as they come, with the empty line that ends them; judged when they are whole. */
  #trailer: number[] = [];

  constructor(framing: BodyFraming) {
    this.#endsWithSocket = framing.kind === "close";
    this.#state = framing.kind === "none" ? "done" : framing.kind === "chunked" ? "size" : "content";
    if (framing.kind === "length") {
      this.#left = framing.octets;
      if (framing.octets === 0) this.#state = "done";
    }
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** The socket's other end said that nothing follows. True when the body is whole. */
  get mayEndHere(): boolean {
    return this.isDone || this.#endsWithSocket;
  }

  /** Reads on at `at`; returns where it stopped. Call again until the end of `bytes` or `isDone`. Fault HEAD_MALFORMED. */
  step(bytes: Uint8Array, at: number): number {
    this.from = this.to = at;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "content" || this.#state === "chunk") return this.#content(bytes, at);
      this.#mark(bytes[at]!);
      at += 1;
    }
    return at;
  }

  #content(bytes: Uint8Array, at: number): number {
    const octets = this.#endsWithSocket ? bytes.length - at : Math.min(this.#left, bytes.length - at);
    this.from = at;
    this.to = at + octets;
    if (this.#endsWithSocket) return this.to;
    this.#left -= octets;
    if (this.#left === 0) this.#state = this.#state === "chunk" ? "chunk-cr" : "done";
    return this.to;
  }

  /** One octet of chunked framing. */
  #mark(octet: number): void {
    switch (this.#state) {
      case "size":
        return this.#size(octet);
      case "size-lf":
        this.#expect(octet, LF, this.#left === 0 ? "trailer" : "chunk");
        this.#digits = 0;
        return;
      case "chunk-cr":
        return this.#expect(octet, CR, "chunk-lf");
      case "chunk-lf":
        return this.#expect(octet, LF, "size");
      default:
        return this.#dropTrailer(octet);
    }
  }

  #size(octet: number): void {
    if (octet === CR && this.#digits > 0) {
      this.#state = "size-lf";
      return;
    }
    const digit = hexDigit(octet);
    if (digit === -1 || this.#digits === sizeDigitsMax) throw broken("a chunk's size is not a plain hexadecimal number");
    this.#left = (this.#digits === 0 ? 0 : this.#left * 16) + digit;
    this.#digits += 1;
  }

  #dropTrailer(octet: number): void {
    const trailer = this.#trailer;
    trailer.push(octet);
    const { length } = trailer;
    if (length > trailerBytesMax) throw broken(`the trailers are over ${trailerBytesMax} octets`);
    if (octet !== LF) return;
    if (trailer[length - 2] !== CR) throw broken("a trailer line ends with a bare LF");
    if (length > 2 && trailer[length - 3] !== LF) return; // a line; the empty one is still to come
    const { contentLength, isChunked } = parseHeaderBlock(latin1Text(Uint8Array.from(trailer), 0, length - 2));
    if (contentLength !== null || isChunked) throw broken("a trailer speaks of where the body ends (RFC 9110 section 6.5.1)");
    this.#trailer = [];
    this.#state = "done";
  }

  #expect(octet: number, wanted: number, next: State): void {
    if (octet !== wanted) throw broken("a chunk does not end with CRLF");
    this.#state = next;
  }
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function broken(why: string): Fault {
  return new Fault("HEAD_MALFORMED", { what: "the body is not valid HTTP/1.1", why, hint: "check what sends it, and what stands in between" });
}

/** Framing of a request's body (RFC 9112 section 6.3): without a length and not chunked there is none. */
export function requestFraming(head: { readonly contentLength: number | null; readonly isChunked: boolean }): BodyFraming {
  if (head.isChunked) return { kind: "chunked" };
  return head.contentLength === null || head.contentLength === 0 ? { kind: "none" } : { kind: "length", octets: head.contentLength };
}

/** Framing of an answer's body: HEAD, 204 and 304 have none whatever their head says; without a length and not chunked it ends with the socket. */
export function responseFraming(method: string, status: number, head: { readonly contentLength: number | null; readonly isChunked: boolean }): BodyFraming {
  if (method === "HEAD" || status === 204 || status === 304) return { kind: "none" };
  if (head.isChunked) return { kind: "chunked" };
  return head.contentLength === null ? { kind: "close" } : { kind: "length", octets: head.contentLength };
}
