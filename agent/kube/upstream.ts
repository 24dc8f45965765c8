// Pooled HTTP/1.1 sockets to the one API server, read with the strict head codec: one request at a time on each, kept for a while after a whole answer. Refuses
// answers that two readers could take differently, and octets that nobody asked for. No time-outs of its own: watches and logs last for days. Called by exchange.ts.
import type { Socket } from "node:net";
import { Fault } from "../../shared/kit/errors.ts";
import { BodyDecoder, responseFraming } from "../../shared/wire/http-body.ts";
import { parseHeaderBlock, parseStatusLine, type HeaderBlock, type StatusLine } from "../../shared/wire/http-head.ts";
import { headBytesMax } from "../../shared/wire/limits.ts";
import type { ResponseHead } from "../../shared/wire/message.ts";

const STANDS_BETWEEN = "ask the API server from the agent's machine; what stands between the two may have changed its answer";
/** Idle sockets are kept this long (ms): the API server closes its own after 90 s and more (k8s.io/apiserver genericapiserver IdleTimeout). */
const idleMs = 60_000;
/** Idle sockets kept; more than this were needed only for a moment. */
const idleMax = 256;
const HEAD_END = Buffer.from("\r\n\r\n");

/** Told in order: head, body*, end; or onBroken at any time, once, as the last. */
export interface UpstreamSink {
  onHead(head: ResponseHead): void;
  onBody(chunk: Uint8Array): void;
  onAnswered(): void;
  onDrain(): void;
  /** `isStale`: a kept socket that ended before a single octet of the answer came. */
  onBroken(error: unknown, isStale: boolean): void;
}

export class UpstreamSocket {
  readonly #socket: Socket;
  readonly #onFree: (self: UpstreamSocket) => void;
  #sink: UpstreamSink | null = null;
  #method = "";
  #requestIsWhole = false;
  #isKept = false;
  #head: Buffer | null = null;
  #hasOctets = false;
  #body: BodyDecoder | null = null;
  #keepsAlive = true;
  #error: unknown = null;
  idleSinceMs = 0;

  constructor(socket: Socket, onFree: (self: UpstreamSocket) => void) {
    this.#socket = socket;
    this.#onFree = onFree;
    socket.setTimeout(0);
    socket.on("data", this.#onOctets);
    socket.on("drain", () => this.#sink?.onDrain());
    socket.on("error", (error) => (this.#error = error));
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#break(this.#error ?? new Error("it closed the socket")));
  }

  get isUsable(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  begin(sink: UpstreamSink, method: string, headText: string, hasBody: boolean): void {
    this.#sink = sink;
    this.#method = method;
    this.#requestIsWhole = !hasBody;
    this.#hasOctets = false;
    this.#socket.write(headText, "latin1");
  }

  write(octets: Uint8Array): boolean {
    return this.#socket.write(octets);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** The request's body is complete. */
  finishRequest(): void {
    this.#requestIsWhole = true;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#sink = null;
    this.#socket.destroy();
  }

  readonly #onOctets = (chunk: Buffer): void => {
    try {
      this.#read(chunk);
    } catch (error) {
      this.#break(error);
    }
  };

  #read(chunk: Buffer): void {
    if (this.#sink === null) return this.destroy(); // nobody asked: the next answer could not be told from this
    this.#hasOctets = true;
    if (this.#body !== null) return this.#readBody(chunk, 0);
    const octets = this.#head === null ? chunk : Buffer.concat([this.#head, chunk]);
    const end = octets.indexOf(HEAD_END);
    if (end === -1 || end > headBytesMax) {
      if (octets.length > headBytesMax) throw new Fault("HEAD_TOO_LARGE", { what: "the API server's answer has a head without end", why: `it is over ${headBytesMax} octets`, hint: STANDS_BETWEEN });
      this.#head = octets;
      return;
    }
    this.#head = null;
    const text = octets.toString("latin1", 0, end + 2);
    const lineEnd = text.indexOf("\r\n");
    this.#takeHead(parseStatusLine(text.slice(0, lineEnd)), parseHeaderBlock(text, lineEnd + 2), octets, end + 4);
  }

  #takeHead(line: StatusLine, block: HeaderBlock, octets: Buffer, at: number): void {
    if (line.status < 200) {
      if (line.status === 101) throw new Fault("API_SERVER_BROKE", { what: "the API server switched protocols unasked", why: "it answered 101 to a request without an upgrade", hint: STANDS_BETWEEN });
      if (at < octets.length) this.#read(octets.subarray(at)); // 100-continue and early hints
      return;
    }
    const framing = responseFraming(this.#method, line.status, block);
    this.#keepsAlive = framing.kind !== "close" && !block.saysClose && (line.minor === 1 || block.saysKeepAlive);
    this.#body = new BodyDecoder(framing);
    const sink = this.#sink!;
    sink.onHead({ status: line.status, headers: block.pairs });
    if (this.#sink === sink) this.#readBody(octets, at);
  }

  #readBody(octets: Buffer, at: number): void {
    const body = this.#body!;
    while (at < octets.length && !body.isDone) {
      at = body.step(octets, at);
      if (body.to > body.from) this.#sink!.onBody(body.from === 0 && body.to === octets.length ? octets : octets.subarray(body.from, body.to));
      if (this.#sink === null) return; // cancelled from inside
    }
    if (!body.isDone) return;
    if (at < octets.length) this.#keepsAlive = false; // octets behind the answer: whose, nobody can say
    this.#finish();
  }

  #finish(): void {
    const sink = this.#sink!;
    this.#sink = null;
    this.#body = null;
    if (!this.#keepsAlive || !this.#requestIsWhole) this.#socket.destroy();
    else {
      this.#isKept = true;
      this.#socket.resume();
      this.#onFree(this);
    }
    sink.onAnswered();
  }

  /** The API server ends its half: an answer without a length is whole now, any other is not. */
  #onEnd(): void {
    if (this.#sink !== null && this.#body?.mayEndHere === true) this.#finish();
    else this.#break(new Error("it closed the socket"));
  }

  #break(error: unknown): void {
    const sink = this.#sink;
    this.#sink = null;
    this.#socket.destroy();
    sink?.onBroken(error, this.#isKept && !this.#hasOctets);
  }
}

export class UpstreamPool {
  readonly #dial: (signal: AbortSignal) => Promise<Socket>;
  readonly #idle: UpstreamSocket[] = [];
  #isClosed = false;
  readonly #sweep = setInterval(() => this.#dropOld(), idleMs / 4).unref();

  constructor(dial: (signal: AbortSignal) => Promise<Socket>) {
    this.#dial = dial;
  }

  /** The socket that was used last, or null when all are busy. */
  takeIdle(): UpstreamSocket | null {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) if (kept.isUsable) return kept;
    return null;
  }

  async dial(signal: AbortSignal): Promise<UpstreamSocket> {
    return new UpstreamSocket(await this.#dial(signal), this.#keep);
  }

  readonly #keep = (socket: UpstreamSocket): void => {
    if (this.#isClosed || this.#idle.length >= idleMax) return socket.destroy();
    socket.idleSinceMs = performance.now();
    this.#idle.push(socket);
  };

  #dropOld(): void {
    const nowMs = performance.now();
    // The oldest are at the front.
    while (this.#idle.length > 0 && (nowMs - this.#idle[0]!.idleSinceMs > idleMs || !this.#idle[0]!.isUsable)) this.#idle.shift()!.destroy();
  }

  /** Ends idle sockets; those with a request end with it. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }
}
