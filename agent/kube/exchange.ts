// One stream as one request on a pooled socket of our own codec. Back-pressure both ways; a body that breaks off never looks complete at the API server, an
// answer that breaks off never looks complete at the relay. One retry on a fresh socket when a kept one was already dead, one after a refused token: both
// only for requests without a body that change nothing.
import { Fault } from "../../shared/kit/errors.ts";
import { keepable } from "../../shared/wire/keepable.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import { forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import type { RequestHead, ResponseHead } from "../../shared/wire/message.ts";
import type { KubeAccess } from "./access.ts";
import { judgeRequest, type Impersonation } from "./policy.ts";
import { credentialsFault, refuseStream, refusesAgent, resetCode, upstreamFault, upstreamHead } from "./proxy.ts";
import type { UpstreamPool, UpstreamSink, UpstreamSocket } from "./upstream.ts";

export interface ExchangePorts {
  readonly access: KubeAccess;
  readonly upstreams: UpstreamPool;
}

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** Serves one stream that is not an upgrade. Faults: POLICY_REFUSED, PATH_REFUSED. */
export function serveKubeRequest(ports: ExchangePorts, stream: LinkStream, head: RequestHead): void {
  const exchange = new UpstreamExchange(ports, stream, head, judgeRequest(head), !head.flags.ends);
  stream.sink = exchange;
  exchange.dispatch(ports.upstreams.takeIdle());
}

class UpstreamExchange implements StreamSink, UpstreamSink {
  readonly #ports: ExchangePorts;
  readonly #stream: LinkStream;
  readonly #head: RequestHead;
  readonly #as: Impersonation;
  readonly #hasBody: boolean;
  #abort: AbortController | null = null;
  #socket: UpstreamSocket | null = null;
  #isOver = false;
  #hasHead = false;
  #mayRetryStale: boolean;
  #mayRetryToken: boolean;
  #wereReadAnew = false;
  /** Octets of the body that are still to come; null for chunks. */
  #bodyLeft: number | null = null;
  /** What came before the socket was there: bounded by the stream's start credit. */
  #early: Uint8Array[] = [];
  #hasEnded = false;
  #heldOctets = 0;

  constructor(ports: ExchangePorts, stream: LinkStream, head: RequestHead, as: Impersonation, hasBody: boolean) {
    this.#ports = ports;
    this.#stream = stream;
    this.#head = head;
    this.#as = as;
    this.#hasBody = hasBody;
    this.#mayRetryStale = this.#mayRetryToken = !hasBody && (head.method === "GET" || head.method === "HEAD");
  }

  /** Sends the request on this socket, or on a fresh one. */
  dispatch(kept: UpstreamSocket | null): void {
    if (kept !== null) return this.#begin(kept);
    this.#abort = new AbortController();
    this.#ports.upstreams.dial(this.#abort.signal).then(
      (socket) => (this.#isOver ? socket.destroy() : this.#begin(socket)),
      (error: unknown) => this.#fail(error),
    );
  }

  #begin(socket: UpstreamSocket): void {
    this.#abort = null;
    try {
      const { text, bodyOctets } = upstreamHead(this.#ports.access, this.#head, this.#as, this.#hasBody);
      this.#socket = socket;
      this.#bodyLeft = bodyOctets;
      if (this.#hasBody) socket.cork(); // head and first octets of the body leave together
      socket.begin(this, this.#head.method, text, this.#hasBody);
    } catch (error) {
      socket.destroy();
      return this.#refuse(error);
    }
    for (const chunk of this.#early.splice(0)) this.#send(socket, chunk);
    if (this.#hasEnded) this.onEnd();
    if (this.#hasBody) process.nextTick(() => socket.uncork());
  }

  // --- what the relay says
  onOctets(chunk: Uint8Array): void {
    if (this.#socket === null) this.#early.push(keepable(chunk));
    else this.#send(this.#socket, chunk);
  }

  #send(socket: UpstreamSocket, chunk: Uint8Array): void {
    if (this.#isOver) return this.#stream.take(chunk.length);
    if (this.#bodyLeft === null) {
      socket.cork();
      socket.write(Buffer.from(`${chunk.length.toString(16)}\r\n`, "latin1"));
      socket.write(keepable(chunk));
    } else {
      this.#bodyLeft -= chunk.length;
      if (this.#bodyLeft < 0) return this.#refuse(new Fault("HEADER_REFUSED", { what: "the request's body is longer than it promised" }));
    }
    const hasRoom = socket.write(this.#bodyLeft === null ? CRLF : keepable(chunk));
    if (this.#bodyLeft === null) socket.uncork();
    if (hasRoom) this.#stream.take(chunk.length);
    else this.#heldOctets += chunk.length;
  }

  onEnd(): void {
    this.#hasEnded = true;
    const socket = this.#socket;
    if (socket === null || this.#isOver || !this.#hasBody) return;
    if ((this.#bodyLeft ?? 0) > 0) return this.#refuse(new Fault("HEADER_REFUSED", { what: "the request's body is shorter than it promised" }));
    if (this.#bodyLeft === null) socket.write(LAST_CHUNK);
    socket.finishRequest();
  }

  onWritable(): void {
    if (!this.#isOver) this.#socket?.resume();
  }

  onStop(): void {
    this.#end();
    this.#stream.reset("cancelled");
  }

  onFail(): void {
    this.#end();
  }

  // --- what the API server says
  onHead({ status, headers }: ResponseHead): void {
    if (status === 401 && this.#mayRetryToken) {
      this.#mayRetryToken = false;
      this.#wereReadAnew = true;
      this.#dropSocket();
      void this.#ports.access.refresh().then(() => (this.#isOver ? undefined : this.dispatch(this.#ports.upstreams.takeIdle())));
      return;
    }
    if (refusesAgent(status, this.#head.target)) {
      this.#dropSocket();
      void credentialsFault(this.#ports.access, this.#wereReadAnew).then((fault) => this.#fail(fault));
      return;
    }
    this.#hasHead = true;
    this.#stream.respond({ status, headers: forwardedResponseHeaders(headers) });
  }

  /** Its answer is not the stream's. */
  #dropSocket(): void {
    this.#socket!.destroy();
    this.#socket = null;
  }

  onBody(chunk: Uint8Array): void {
    if (!this.#stream.write(chunk)) this.#socket!.pause();
  }

  onAnswered(): void {
    this.#isOver = true;
    this.onDrain();
    this.#stream.finish();
    // The API server answered before it had the whole body (413, 403): the relay need not send the rest.
    if (this.#hasBody && !this.#hasEnded) this.#stream.stop("unreadable");
  }

  onDrain(): void {
    const octets = this.#heldOctets;
    this.#heldOctets = 0;
    this.#stream.take(octets);
  }

  onBroken(error: unknown, isStale: boolean): void {
    this.#socket = null;
    if (isStale && this.#mayRetryStale && !this.#isOver) {
      this.#mayRetryStale = false;
      return this.dispatch(null);
    }
    this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    const fault = upstreamFault(error, this.#ports.access.origin, this.#hasHead);
    this.#stream.reset(resetCode(fault), fault);
  }

  /** The request itself is not one that may go on. */
  #refuse(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    refuseStream(this.#stream, error);
  }

  #end(): void {
    this.#isOver = true;
    this.#early = [];
    this.#abort?.abort(new Fault("CANCELLED", { what: "the request was given up" }));
    this.#socket?.destroy();
  }
}
