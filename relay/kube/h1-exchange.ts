// One HTTP/1.1 request that our own codec read, and its answer: between the client's socket and a stream to the agent. Holds no octets of its own beyond one turn:
// what the socket has not taken keeps the stream's credit, a full stream pauses the socket. Refuses an answer whose length is not what its head said: it never
// looks complete. Made by gateway.ts; the library's requests (h2, and h1 when asked for) have exchange.ts.
import { STATUS_CODES } from "node:http";
import type { Fault } from "../../shared/kit/errors.ts";
import { keepable } from "../../shared/wire/keepable.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { CodeName } from "../../shared/wire/codes.ts";
import { forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import { responseFraming } from "../../shared/wire/http-body.ts";
import { headerLines } from "../../shared/wire/http-head.ts";
import type { HeaderBlock } from "../../shared/wire/http-head.ts";
import type { ResponseHead } from "../../shared/wire/message.ts";
import { responseLength } from "./response-length.ts";
import { statusAnswer } from "./status-body.ts";
import { mayEndCleanly, newline } from "./watch-end.ts";

/** Parts that together stay below this many octets are copied into one write: cheaper than a write each. */
const joinedBytesMax = 32_768;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** A request as the HTTP side hands it over. */
export interface H1Port {
  readonly method: string;
  readonly url: string;
  readonly block: HeaderBlock;
  readonly remoteAddress: string;
  readonly hasBody: boolean;
  readonly isGone: boolean;
  accept(sink: { onBody(chunk: Uint8Array): void; onBodyEnd(): void; onDrain(): void; onGone(): void }): void;
  send(octets: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  finish(): void;
  abort(): void;
}

/** Exchanges with something to write at the end of this turn: one flush for all answers that came in one message. */
const dirty: H1Exchange[] = [];

function flushAll(): void {
  for (const exchange of dirty.splice(0)) exchange.flush();
}

export class H1Exchange implements StreamSink {
  readonly #port: H1Port;
  readonly #isWatch: boolean;
  #stream!: LinkStream;
  #parts: Uint8Array[] = [];
  #partOctets = 0;
  /** Octets of the body among the parts: their credit goes back once the socket took them. */
  #bodyOctets = 0;
  #heldOctets = 0;
  #isDirty = false;
  #hasHead = false;
  #isChunked = false;
  /** Octets of the body that are still to come; Infinity when the head gave no length. */
  #left = Infinity;
  #isEnding = false;
  #lastOctet = newline;
  #sendsBody = false;

  constructor(port: H1Port, isWatch: boolean) {
    this.#port = port;
    this.#isWatch = isWatch;
  }

  start(stream: LinkStream): void {
    this.#stream = stream;
    this.#sendsBody = this.#port.hasBody;
    if (!this.#sendsBody) stream.finish();
    this.#port.accept(this);
  }

  // --- what the client says
  onBody(chunk: Uint8Array): void {
    if (this.#sendsBody && !this.#stream.write(chunk)) this.#port.pause();
  }

  onBodyEnd(): void {
    if (!this.#sendsBody) return;
    this.#sendsBody = false;
    this.#stream.finish();
  }

  onDrain(): void {
    const octets = this.#heldOctets;
    this.#heldOctets = 0;
    this.#stream.take(octets);
  }

  onGone(): void {
    this.#stream.reset("cancelled"); // after a complete answer the stream is over and this changes nothing
  }

  // --- what the agent says
  onHead(head: ResponseHead): void {
    const length = responseLength(head);
    this.#hasHead = true;
    const framing = responseFraming(this.#port.method, head.status, { contentLength: length, isChunked: length === null });
    this.#isChunked = framing.kind === "chunked";
    this.#left = framing.kind === "length" ? framing.octets : framing.kind === "none" ? 0 : Infinity;
    const close = this.#port.block.saysClose ? "connection: close\r\n" : "";
    const coding = this.#isChunked ? "transfer-encoding: chunked\r\n" : "";
    const text = `HTTP/1.1 ${head.status} ${STATUS_CODES[head.status] ?? ""}\r\n${headerLines(forwardedResponseHeaders(head.headers))}${coding}${close}\r\n`;
    this.#put(Buffer.from(text, "latin1"));
  }

  onOctets(chunk: Uint8Array): void {
    this.#left -= chunk.length;
    if (this.#left < 0) return this.#breakOff();
    this.#lastOctet = chunk[chunk.length - 1] ?? this.#lastOctet;
    this.#bodyOctets += chunk.length;
    if (this.#isChunked) this.#put(Buffer.from(`${chunk.length.toString(16)}\r\n`, "latin1"));
    this.#put(chunk);
    if (this.#isChunked) this.#put(CRLF);
  }

  onEnd(): void {
    if (this.#left > 0 && this.#left !== Infinity) return this.#breakOff();
    if (this.#isChunked) this.#put(LAST_CHUNK);
    this.#isEnding = true;
    this.#markDirty();
  }

  onStop(): void {
    // The API server answered early. Its answer must reach the client, so the rest of the upload is read and dropped, not cut off.
    if (!this.#sendsBody) return;
    this.#sendsBody = false;
    this.#stream.finish();
    this.#port.resume();
  }

  onWritable(): void {
    this.#port.resume();
  }

  onFail(fault: Fault, code: CodeName): void {
    this.#sendsBody = false;
    if (!this.#hasHead) return this.#refuse(fault);
    if (this.#isChunked && mayEndCleanly(this.#isWatch, this.#lastOctet, code)) return this.onEnd();
    this.flush();
    this.#port.abort();
  }

  #refuse(fault: Fault): void {
    this.#hasHead = true;
    this.#port.send(statusAnswer(fault, false, this.#port.method));
    this.#port.finish();
  }

  /** More or fewer octets came than the answer's head said. */
  #breakOff(): void {
    this.#parts = [];
    this.#stream.reset("head");
    this.#port.abort();
  }

  #put(octets: Uint8Array): void {
    this.#parts.push(octets);
    this.#partOctets += octets.length;
    this.#markDirty();
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    if (dirty.push(this) === 1) process.nextTick(flushAll);
  }

  flush(): void {
    this.#isDirty = false;
    const octets = this.#bodyOctets;
    this.#bodyOctets = 0;
    if (this.#parts.length > 0) {
      if (this.#write()) this.#stream.take(octets);
      else this.#heldOctets += octets;
    }
    if (!this.#isEnding) return;
    this.#stream.reset("cancelled"); // answered before the upload's end: nobody there reads the rest. Nothing when both directions are complete
    this.#port.finish();
  }

  #write(): boolean {
    const parts = this.#parts;
    const octets = this.#partOctets;
    this.#parts = [];
    this.#partOctets = 0;
    if (parts.length === 1) return this.#port.send(keepable(parts[0]!));
    if (octets <= joinedBytesMax) return this.#port.send(joined(parts, octets));
    this.#port.cork();
    let hasRoom = true;
    for (const part of parts) hasRoom = this.#port.send(keepable(part));
    this.#port.uncork();
    return hasRoom;
  }
}

const CRLF = Buffer.from("\r\n");

function joined(parts: readonly Uint8Array[], octets: number): Buffer {
  const whole = Buffer.allocUnsafe(octets);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
