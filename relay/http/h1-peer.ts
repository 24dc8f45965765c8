// One client's HTTP/1.1 socket, read with the strict head codec: requests to clusters are taken here, one after the other; a socket that asks for anything else
// (the API, probes, upgrades, HTTP/1.0) goes to the library's server for good, with every octet it sent. Bounded: one head, one body chunk, what came ahead.
// Refuses malformed heads with 400 and ends the socket. Called by http/server; answers are written by kube/h1-exchange.
import type { TLSSocket } from "node:tls";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { lingerMs } from "../../shared/kit/linger.ts";
import { BodyDecoder, requestFraming } from "../../shared/wire/http-body.ts";
import { parseHeaderBlock, parseRequestLine, type HeaderBlock } from "../../shared/wire/http-head.ts";
import { bareLines, headTooLarge, tooManyHalfHeads } from "./head-faults.ts";
import type { HeadBudget } from "./head-budget.ts";
import { H1Request, type H1Sink } from "./h1-request.ts";
import { HeldOctets } from "./held-octets.ts";

/** A 20 KB exec command line is a 60 KB head. */
const h1HeadBytesMax = 1_048_576;
/** Octets a client may send ahead of the answer it waits for before its socket is paused. */
const aheadBytesMax = 65_536;
const HEAD_END = Buffer.from("\r\n\r\n");
const BARE_END = Buffer.from("\n\n");
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
/** Takes the body of a request that was answered before anybody wanted it. */
const DROPPED: H1Sink = { onBody: () => {}, onBodyEnd: () => {}, onDrain: () => {}, onGone: () => {} };

export interface H1Handlers {
  /** One request for a cluster. It is answered through `H1Request`, now or later. */
  onRequest(request: H1Request): void;
  /** The socket is the library's from here on. */
  handOver(socket: TLSSocket): void;
  /** Octets of the answer to a request that cannot be read. */
  refusal(fault: Fault): Buffer;
}

export class H1Peer {
  readonly socket: TLSSocket;
  readonly remoteAddress: string;
  current: H1Request | null = null;
  readonly #handlers: H1Handlers;
  readonly #budget: HeadBudget;
  /** Octets that came and were not read: part of a head, or what was sent ahead of an answer. */
  readonly #ahead = new HeldOctets();
  /** How many of them were searched for a head's end: each is looked at once, however small the pieces are. */
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
    return this.current === null ? { forMs: nowMs - this.#waitsSinceMs, hasPart: !this.#ahead.isEmpty } : null;
  }

  /** A head that does not come to its end: told, and over. */
  refuse(fault: Fault): void {
    this.#releaseBudget();
    this.#ahead.take();
    this.socket.off("data", this.#onOctets);
    this.socket.end(this.#handlers.refusal(fault));
    this.socket.resume();
    this.#lingerThenDestroy();
  }

  readonly #onOctets = (chunk: Buffer): void => {
    if (this.#body !== null && this.#sink !== null && this.#ahead.isEmpty) return this.#feedBody(chunk);
    this.#ahead.add(chunk);
    if (this.current === null) return this.#readHead();
    if (this.#ahead.length >= aheadBytesMax) this.socket.pause();
  };

  #readHead(): void {
    const octets = this.#ahead.all;
    const end = octets.indexOf(HEAD_END, Math.max(0, this.#searched - 3));
    if (end === -1) return this.#keepPart(octets);
    this.#releaseBudget();
    this.#ahead.take();
    try {
      if (end > h1HeadBytesMax) throw headTooLarge(h1HeadBytesMax);
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
    if (octets.length > h1HeadBytesMax) return this.refuse(headTooLarge(h1HeadBytesMax));
    if (octets.includes(BARE_END, Math.max(0, this.#searched - 1))) return this.refuse(bareLines());
    const { roomOctets } = this.#ahead;
    if (!this.#budget.take(this.remoteAddress, roomOctets - this.#budgeted)) return this.refuse(tooManyHalfHeads());
    if (this.#searched === 0) this.#waitsSinceMs = performance.now();
    this.#budgeted = roomOctets;
    this.#searched = octets.length;
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
    if (bodyAt < octets.length) this.#ahead.add(octets.subarray(bodyAt));
    this.#handlers.onRequest(request);
  }

  accept(request: H1Request, sink: H1Sink): void {
    if (this.current !== request) return sink.onGone();
    this.#sink = sink;
    if (this.#body === null) return;
    if (request.block.expectsContinue) this.socket.write(CONTINUE);
    this.#feedAhead();
  }

  #feedAhead(): void {
    this.socket.resume();
    if (!this.#ahead.isEmpty) this.#feedBody(this.#ahead.take());
  }

  #feedBody(octets: Buffer): void {
    const body = this.#body!;
    try {
      for (let at = 0; at < octets.length && !body.isDone; ) {
        at = body.step(octets, at);
        if (body.to > body.from && !this.#hasAnswered) this.#sink!.onBody(octets.subarray(body.from, body.to));
        if (body.isDone && at < octets.length) this.#ahead.add(octets.subarray(at));
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
    this.#lingerThenDestroy();
    // Answered before anybody took the body: the next request begins behind it.
    this.#sink ??= DROPPED;
    this.#feedAhead();
  }

  /** Answer and body are complete: the next request, if the client has one. */
  #next(): void {
    const wantsClose = this.current!.block.saysClose;
    this.current = null;
    this.#sink = null;
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    this.socket.resume(); // the request that is over may have paused it
    this.#waitsSinceMs = performance.now();
    // The moment begins when the socket has taken the answer: a slow client must not lose its end.
    if (wantsClose) return void this.socket.end(() => this.#lingerThenDestroy());
    // A client that asks and does not read would pile its answers up here: it is read on when the socket took them.
    if (this.socket.writableNeedDrain) this.socket.pause();
    else if (!this.#ahead.isEmpty) process.nextTick(this.#readOn);
  }

  #lingerThenDestroy(): void {
    this.#linger ??= setTimeout(() => this.socket.destroy(), lingerMs).unref();
  }

  readonly #readOn = (): void => {
    if (!this.socket.destroyed && this.current === null && !this.#ahead.isEmpty) this.#readHead();
  };

  readonly #onDrain = (): void => {
    if (this.current !== null) return this.#sink?.onDrain();
    this.socket.resume();
    this.#readOn();
  };

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
    this.#ahead.take();
    sink?.onGone();
  };
}
