// One stream as one request through undici: the fallback behind the setting http-codec, and the yardstick of exchange.ts. Same promises: back-pressure both ways,
// no time-outs, one retry after a refused token. Also the pool of the agent's own calls (objects.ts).
import { Readable } from "node:stream";
import { Pool, type Dispatcher } from "undici";
import { Fault } from "../../shared/kit/errors.ts";
import type { Connector } from "../../shared/kit/dial.ts";
import { forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import { headBytesMax } from "../../shared/wire/limits.ts";
import type { KubeAccess } from "./access.ts";
import { judgeRequest, type Impersonation } from "./policy.ts";
import { credentialsFault, refusesAgent, resetCode, upstreamFault, upstreamHeaders } from "./proxy.ts";

/** Idle upstream sockets are kept this long (ms); API servers close theirs after 3 minutes or more. */
const keepAliveMs = 60_000;

/** The pool of sockets to the API server. Never h2: undici negotiates it and then refuses SPDY upgrades (measured with undici 8). */
export function openKubePool(access: KubeAccess, connect: Connector): Pool {
  return new Pool(access.origin, {
    connect: connect as never,
    allowH2: false,
    pipelining: 1,
    bodyTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    maxHeaderSize: headBytesMax,
  });
}

export interface ProxyPorts {
  readonly access: KubeAccess;
  readonly pool: Pool;
}

/** Serves one stream that is not an upgrade. */
export function serveThroughLibrary(ports: ProxyPorts, stream: LinkStream, head: RequestHead): void {
  const as = judgeRequest(head);
  const exchange = new UpstreamExchange(ports, stream, head, as, head.flags.ends);
  stream.sink = exchange;
  exchange.dispatch();
}

class UpstreamExchange implements StreamSink, Dispatcher.DispatchHandler {
  readonly #ports: ProxyPorts;
  readonly #stream: LinkStream;
  readonly #head: RequestHead;
  readonly #as: Impersonation;
  #controller: Dispatcher.DispatchController | null = null;
  #body: UploadBody | null;
  #hasHead = false;
  #mayRetry: boolean;
  #isRetrying = false;
  #wereReadAnew = false;
  #refusesAgent = false;
  #cancelled: Fault | null = null;

  constructor(ports: ProxyPorts, stream: LinkStream, head: RequestHead, as: Impersonation, hasEnded: boolean) {
    this.#ports = ports;
    this.#stream = stream;
    this.#head = head;
    this.#as = as;
    this.#body = hasEnded ? null : new UploadBody((octets) => stream.take(octets));
    this.#mayRetry = hasEnded && (head.method === "GET" || head.method === "HEAD");
  }

  dispatch(): void {
    const { access, pool } = this.#ports;
    pool.dispatch(
      { path: access.basePath + this.#head.target, method: this.#head.method, headers: upstreamHeaders(access, this.#head, this.#as), body: this.#body, blocking: false, idempotent: true },
      this,
    );
  }

  // --- what the relay says
  onOctets(chunk: Uint8Array): void {
    if (this.#body === null) return this.#stream.take(chunk.length);
    this.#body.offer(chunk);
  }

  onEnd(): void {
    this.#body?.push(null);
  }

  onWritable(): void {
    this.#controller?.resume();
  }

  onStop(): void {
    this.#cancel(new Fault("CANCELLED", { what: "nobody reads the answer any more" }));
    this.#stream.reset("cancelled");
  }

  onFail(fault: Fault): void {
    this.#cancel(fault);
  }

  #cancel(fault: Fault): void {
    this.#cancelled = fault;
    this.#body?.destroy();
    this.#controller?.abort(fault);
  }

  // --- what the API server says
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled !== null) controller.abort(this.#cancelled);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    if (status === 401 && this.#mayRetry) {
      this.#mayRetry = false;
      this.#isRetrying = this.#wereReadAnew = true;
      controller.abort(new Fault("API_SERVER_AUTH", { what: "the token was refused once" }));
      return;
    }
    if (refusesAgent(status, this.#head.target)) {
      this.#refusesAgent = true;
      controller.abort(new Fault("API_SERVER_AUTH", { what: "the token was refused" }));
      return;
    }
    this.#hasHead = true;
    this.#stream.respond({ status, headers: forwardedResponseHeaders(flatHeaders(controller.rawHeaders)) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isRetrying || this.#refusesAgent) return;
    if (!this.#stream.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#isRetrying || this.#refusesAgent) return;
    this.#stream.finish();
    this.#stopUpload();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isRetrying) {
      this.#isRetrying = false;
      void this.#ports.access.refresh().then(() => (this.#cancelled === null ? this.dispatch() : undefined));
      return;
    }
    this.#body?.destroy();
    if (this.#cancelled !== null) return;
    if (this.#refusesAgent) return void credentialsFault(this.#ports.access, this.#wereReadAnew).then((fault) => this.#fail(fault));
    this.#fail(upstreamFault(error, this.#ports.access.origin, this.#hasHead));
  }

  #fail(fault: Fault): void {
    if (this.#cancelled === null) this.#stream.reset(resetCode(fault), fault);
  }

  /** The API server answered before it had the whole body (413, 403): the relay need not send the rest. */
  #stopUpload(): void {
    if (this.#body === null || this.#body.readableEnded) return;
    this.#stream.stop("unreadable");
    this.#body.destroy();
    this.#body = null;
  }
}

/** The request's body as undici reads it; credit goes back as it reads. */
class UploadBody extends Readable {
  readonly #take: (octets: number) => void;
  #heldOctets = 0;

  constructor(take: (octets: number) => void) {
    super({ highWaterMark: 65_536 });
    this.#take = take;
    this.on("error", () => {}); // its end is told by the exchange
  }

  offer(chunk: Uint8Array): void {
    if (this.destroyed) return this.#take(chunk.length);
    this.#heldOctets += chunk.length;
    this.push(chunk);
  }

  override _read(): void {
    const octets = this.#heldOctets;
    this.#heldOctets = 0;
    this.#take(octets);
  }
}

function flatHeaders(raw: unknown): string[] {
  const out: string[] = [];
  for (const part of (raw ?? []) as Iterable<Buffer | string>) out.push(typeof part === "string" ? part : part.toString("latin1"));
  return out;
}
