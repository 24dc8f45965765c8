// One request for a cluster as its owner sees it: what was asked, the body as it comes, and the one answer. A thin handle on the socket that carries it: when the
// client is gone it says so and takes nothing more. Made by h1-peer; answered by kube/h1-exchange.
import type { HeaderBlock, RequestLine } from "../../shared/wire/http-head.ts";
import type { H1Peer } from "./h1-peer.ts";

/** What a request's owner is told, in order: body*, then the body's end; or at any time that the client is gone or broke a rule. */
export interface H1Sink {
  onBody(chunk: Uint8Array): void;
  onBodyEnd(): void;
  onDrain(): void;
  /** The socket is closed, or its octets are no HTTP any more. */
  onGone(): void;
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
