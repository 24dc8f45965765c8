// One client's HTTP/1.1 socket, read with the strict head codec: requests to clusters are taken here, one after the other; a socket that asks for anything else
// (the API, probes, upgrades, HTTP/1.0) goes to the library's server for good, with every octet it sent. Bounded: one head, one body chunk, what came ahead.
// Refuses malformed heads with 400 and ends the socket. Called by http/server; answers are written by kube/h1-exchange.
import type { TLSSocket } from "node:tls";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { BodyDecoder, requestFraming } from "../../shared/wire/http-body.ts";
import { parseHeaderBlock, parseRequestLine, type HeaderBlock, type RequestLine } from "../../shared/wire/http-head.ts";
import type { HeadBudget } from "./head-budget.ts";

/** A 20 KB exec command line is a 60 KB head. */
const h1HeadBytesMax = 1_048_576;
/** Octets a client may send ahead of the answer it waits for before its socket is paused. */
const aheadBytesMax = 65_536;
/** After an early answer (413 while the client still sends) the client gets this long (ms) to read it before its socket goes. */
const lingerMs = 2_000;
const HEAD_END = Buffer.from("\r\n\r\n");
const BARE_END = Buffer.from("\n\n");
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** What a request's owner is told, in order: body*, then the body's end; or at any time that the client is gone or broke a rule. */
export interface H1Sink {
  onBody(chunk: Uint8Array): void;
  onBodyEnd(): void;
  onDrain(): void;
  /** The socket is closed, or its octets are no HTTP any more. */
  onGone(): void;
}

export interface H1Handlers {
  /** One request for a cluster. It is answered through `H1Request`, now or later. */
  onRequest(request: H1Request): void;
  /** The socket is the library's from here on. */
  handOver(socket: TLSSocket): void;
  /** Octets of the answer to a request that cannot be read. */
  refusal(fault: Fault): Buffer;
}

/** One request of a peer; good until `finish` or `abort`. */
export class H1Request {
  readonly method: string;
  readonly url: string;
  /** The same object for requests whose header lines are the same to the octet: facts about it may be kept beside it. */
  readonly block: HeaderBlock;
  readonly #peer: H1Peer;

  constructor(peer: H1Peer, line: RequestLine, block: HeaderBlock) {
    this.#peer = peer;
    this.method = line.method;
    this.url = line.target;
    this.block = block;
  }

  get remoteAddress(): string {
    return this.#peer.remoteAddress;
  }

  get hasBody(): boolean {
    return this.block.isChunked || (this.block.contentLength ?? 0) > 0;
  }

  /** The body comes from here on. */
  accept(sink: H1Sink): void {
    this.#peer.accept(this, sink);
  }

  get isGone(): boolean {
    return this.#peer.current !== this;
  }

  /** Octets of the answer; false: wait for onDrain. */
  send(octets: Uint8Array): boolean {
    return this.isGone || this.#peer.socket.write(octets);
  }

  cork(): void {
    this.#peer.socket.cork();
  }

  uncork(): void {
    this.#peer.socket.uncork();
  }

  pause(): void {
    if (!this.isGone) this.#peer.socket.pause();
  }

  resume(): void {
    if (!this.isGone) this.#peer.socket.resume();
  }

  /** The answer is complete. */
  finish(): void {
    if (!this.isGone) this.#peer.finish();
  }

  /** The answer ends here and must not look complete. */
  abort(): void {
    if (!this.isGone) this.#peer.socket.destroy();
  }
}

export class H1Peer {
  readonly socket: TLSSocket;
  readonly remoteAddress: string;
  current: H1Request | null = null;
  readonly #handlers: H1Handlers;
  readonly #budget: HeadBudget;
  /** Octets that came and were not read: part of a head, or what was sent ahead of an answer. */
  #ahead: Buffer | null = null;
  #searched = 0;
  #budgeted = 0;
  #sink: H1Sink | null = null;
  #body: BodyDecoder | null = null;
  #hasAnswered = false;
  #memo: { readonly text: string; readonly block: HeaderBlock } | null = null;
  #linger: ReturnType<typeof setTimeout> | null = null;
  /** Monotonic ms since when it waits: for a head's rest, or for the next request. */
  #waitsSinceMs: number;

  constructor(socket: TLSSocket, handlers: H1Handlers, budget: HeadBudget) {
    this.socket = socket;
    this.#handlers = handlers;
    this.#budget = budget;
    this.remoteAddress = socket.remoteAddress ?? "";
    this.#waitsSinceMs = performance.now();
    socket.on("data", this.#onOctets);
    socket.on("drain", this.#onDrain);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
  }

  /** How long (ms) this peer has been waiting, and for what; null while a request is under way. */
  waiting(nowMs: number): { readonly forMs: number; readonly hasPart: boolean } | null {
    return this.current === null ? { forMs: nowMs - this.#waitsSinceMs, hasPart: this.#ahead !== null } : null;
  }

  /** A head that does not come to its end: told, and over. */
  refuse(fault: Fault): void {
    this.#releaseBudget();
    this.socket.off("data", this.#onOctets);
    this.socket.end(this.#handlers.refusal(fault));
    this.socket.resume();
    this.#lingerThenDestroy();
  }

  readonly #onOctets = (chunk: Buffer): void => {
    if (this.#body !== null && this.#sink !== null && this.#ahead === null) return this.#feedBody(chunk);
    if (this.#ahead !== null) chunk = Buffer.concat([this.#ahead, chunk]);
    if (this.current === null) return this.#readHead(chunk);
    this.#ahead = chunk;
    if (chunk.length >= aheadBytesMax) this.socket.pause();
  };

  #readHead(octets: Buffer): void {
    const end = octets.indexOf(HEAD_END, Math.max(0, this.#searched - 3));
    if (end === -1) return this.#keepPart(octets);
    this.#releaseBudget();
    this.#ahead = null;
    try {
      if (end > h1HeadBytesMax) throw headTooLarge();
      const text = octets.toString("latin1", 0, end + 2);
      const lineEnd = text.indexOf("\r\n");
      const line = parseRequestLine(text.slice(0, lineEnd));
      const block = this.#blockOf(text.slice(lineEnd + 2));
      if (!line.target.startsWith("/k8s/") || line.minor === 0 || block.saysUpgrade) return this.#handOver(octets);
      this.#begin(new H1Request(this, line, block), octets, end + 4);
    } catch (error) {
      const fault = asFault(error);
      if (fault.code === "METHOD_REFUSED") return this.#handOver(octets);
      this.refuse(fault);
    }
  }

  /** Clients send the same header lines again and again: the same text is the same structure. */
  #blockOf(text: string): HeaderBlock {
    if (this.#memo === null || this.#memo.text !== text) this.#memo = { text, block: parseHeaderBlock(text) };
    return this.#memo.block;
  }

  #keepPart(octets: Buffer): void {
    if (octets.length > h1HeadBytesMax) return this.refuse(headTooLarge());
    if (octets.includes(BARE_END)) return this.refuse(new Fault("HEAD_MALFORMED", { what: "the message is not valid HTTP/1.1", why: "its lines end with a bare LF" }));
    if (!this.#budget.take(this.remoteAddress, octets.length - this.#budgeted)) {
      return this.refuse(new Fault("TOO_MANY", { what: "too many request heads are half sent", why: "they hold as much memory as they may", hint: "send whole heads, or fewer at once" }));
    }
    this.#budgeted = octets.length;
    this.#searched = octets.length;
    if (this.#ahead === null) this.#waitsSinceMs = performance.now();
    this.#ahead = octets;
  }

  #releaseBudget(): void {
    if (this.#budgeted > 0) this.#budget.giveBack(this.remoteAddress, this.#budgeted);
    this.#budgeted = 0;
    this.#searched = 0;
  }

  #handOver(octets: Buffer): void {
    const { socket } = this;
    socket.off("data", this.#onOctets);
    socket.off("drain", this.#onDrain);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.pause();
    socket.unshift(octets);
    this.#handlers.handOver(socket);
    socket.resume();
  }

  #begin(request: H1Request, octets: Buffer, bodyAt: number): void {
    this.current = request;
    this.#hasAnswered = false;
    const framing = requestFraming(request.block);
    this.#body = framing.kind === "none" ? null : new BodyDecoder(framing);
    if (bodyAt < octets.length) this.#ahead = octets.subarray(bodyAt);
    this.#handlers.onRequest(request);
  }

  accept(request: H1Request, sink: H1Sink): void {
    if (this.current !== request) return sink.onGone();
    this.#sink = sink;
    if (this.#body === null) return;
    if (request.block.expectsContinue) this.socket.write(CONTINUE);
    const ahead = this.#ahead;
    if (ahead === null) return;
    this.#ahead = null;
    this.socket.resume();
    this.#feedBody(ahead);
  }

  #feedBody(octets: Buffer): void {
    const body = this.#body!;
    try {
      for (let at = 0; at < octets.length && !body.isDone; ) {
        at = body.step(octets, at);
        if (body.to > body.from && !this.#hasAnswered) this.#sink!.onBody(octets.subarray(body.from, body.to));
        if (body.isDone && at < octets.length) this.#ahead = octets.subarray(at);
      }
    } catch {
      return void this.socket.destroy(); // what was forwarded so far must not look complete: onGone follows
    }
    if (!body.isDone) return;
    this.#body = null;
    if (this.#hasAnswered) this.#next();
    else this.#sink!.onBodyEnd();
  }

  finish(): void {
    this.#hasAnswered = true;
    if (this.#body === null) return this.#next();
    this.socket.resume();
    this.#lingerThenDestroy();
  }

  /** Answer and body are complete: the next request, if the client has one. */
  #next(): void {
    const wantsClose = this.current!.block.saysClose;
    this.current = null;
    this.#sink = null;
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    this.socket.resume(); // the request that is over may have paused it
    if (wantsClose) {
      this.socket.end();
      return this.#lingerThenDestroy();
    }
    this.#waitsSinceMs = performance.now();
    if (this.#ahead === null) return;
    process.nextTick(() => {
      if (!this.socket.destroyed && this.current === null && this.#ahead !== null) this.#readHead(this.#ahead);
    });
  }

  #lingerThenDestroy(): void {
    this.#linger ??= setTimeout(() => this.socket.destroy(), lingerMs).unref();
  }

  readonly #onDrain = (): void => this.#sink?.onDrain();

  /** A client that ends its half has nobody left who reads the answer (kubectl and Go never do): the same as gone. */
  readonly #onEnd = (): void => {
    if (this.current === null) this.socket.end();
    else this.socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#releaseBudget();
    if (this.#linger !== null) clearTimeout(this.#linger);
    const sink = this.#sink;
    this.current = null;
    this.#sink = null;
    this.#ahead = null;
    sink?.onGone();
  };
}

function headTooLarge(): Fault {
  return new Fault("HEAD_TOO_LARGE", { what: "the request head is too large", why: `it is over ${h1HeadBytesMax / 1_048_576} MiB` });
}
