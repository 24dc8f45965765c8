// The agent's side of an ordinary Kubernetes request: a stream from the relay becomes one request to the API server, with the agent's own
// credentials and the operator's identity, and the answer goes back octet for octet. Back-pressure both ways, no time-outs: watches and logs
// last for days. Refuses what the site's policy refuses with a Status of its own. Upgrades go to upgrade.ts.
import { Readable } from "node:stream";
import { Pool, type Dispatcher } from "undici";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { Connector } from "../../shared/kit/dial.ts";
import { forwardedRequestHeaders, forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { CodeName } from "../../shared/wire/codes.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import { headBytesMax } from "../../shared/wire/limits.ts";
import type { KubeAccess } from "./access.ts";
import { impersonationHeaders, judgeRequest, type Impersonation } from "./policy.ts";

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

/** Serves one stream that is not an upgrade. `hasEnded`: no body follows. */
export function serveKubeRequest(ports: ProxyPorts, stream: LinkStream, head: RequestHead, hasEnded: boolean): void {
  const as = judgeRequest(head);
  const exchange = new UpstreamExchange(ports, stream, head, as, hasEnded);
  stream.sink = exchange;
  exchange.dispatch();
}

/** The request's headers as they go to the API server: what may cross, then ours, identity last. */
export function upstreamHeaders(access: KubeAccess, head: RequestHead, as: Impersonation): string[] {
  const headers = forwardedRequestHeaders(head.headers);
  const authorization = access.authorization();
  if (authorization !== null) headers.push("authorization", authorization);
  headers.push("audit-id", head.requestId, ...impersonationHeaders(as));
  return headers;
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
  onData(chunk: Uint8Array): void {
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
      this.#isRetrying = true;
      controller.abort(new Fault("API_SERVER_AUTH", { what: "the token was refused once" }));
      return;
    }
    this.#hasHead = true;
    this.#stream.respond({ status, headers: forwardedResponseHeaders(flatHeaders(controller.rawHeaders)) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isRetrying) return;
    if (!this.#stream.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#isRetrying) return;
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
    const fault = upstreamFault(error, this.#ports.access.origin, this.#hasHead);
    this.#stream.reset(resetCode(fault), fault);
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

/** An error of the upstream request as a Fault that names the cause in words. */
export function upstreamFault(error: unknown, origin: string, hasHead: boolean): Fault {
  if (error instanceof Fault) return error;
  const cause = (error as { cause?: unknown }).cause;
  if (cause instanceof Fault) return cause;
  const text = error instanceof Error ? error.message : String(error);
  if (hasHead) return new Fault("API_SERVER_BROKE", { what: `the API server ${origin} broke off its answer`, why: text, cause: error });
  return new Fault("API_SERVER_DOWN", { what: `the API server ${origin} did not answer`, why: text, cause: error });
}

function resetCode(fault: Fault): CodeName {
  if (fault.code === "API_SERVER_TLS") return "upstream-tls";
  return fault.code === "API_SERVER_BROKE" ? "upstream-broke" : "upstream-down";
}

/** A Fault of ours as an answer to the stream, for refusals before anything reached the API server. */
export function refuseStream(stream: LinkStream, thrown: unknown): void {
  stream.reset("policy", asFault(thrown));
}
