// The relay's side of an ordinary Kubernetes request: one stream per request, head as a structured record, body octets passed on as they
// come. Credit goes back when the client's socket took the octets, so a stalled kubectl stalls its own stream and nobody else's.
// Refuses before anything reaches a site: unknown operator or site, dishonest paths, header tricks. Called by relay/http for /k8s/.
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { asksImpersonation, forwardedRequestHeaders } from "../../shared/rules/headers.ts";
import { findSiteTarget, requireHonestTarget } from "../../shared/rules/target.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import { Exchange } from "./exchange.ts";
import { answerFault, type AnyResponse } from "./status-body.ts";

export type AnyRequest = IncomingMessage | Http2ServerRequest;

export interface OperatorIdentity {
  readonly name: string;
  readonly tier: string;
}

/** What the composition root lends the gateway. Values instead of promises on the warm path: a promise per request is measurable. */
export interface GatewayPorts {
  /** The operator of an Authorization header, or a Fault of the 401 family. */
  authenticate(authorization: string | null): OperatorIdentity | Promise<OperatorIdentity>;
  /** A function that opens a stream to the site's agent; Fault SITE_UNKNOWN or SITE_OFFLINE. */
  siteOpener(site: string, operator: OperatorIdentity): StreamOpener | Promise<StreamOpener>;
  requestId(): string;
}

export type StreamOpener = (head: RequestHead, sink: StreamSink) => LinkStream;

/** Answers one request below /k8s/. Never throws: every failure is a Status to the client. */
export function handleKubeRequest(ports: GatewayPorts, request: AnyRequest, response: AnyResponse): void {
  try {
    const operator = ports.authenticate(request.headers.authorization ?? null);
    if (operator instanceof Promise) operator.then((known) => proceed(ports, request, response, known)).catch((error: unknown) => refuse(request, response, asFault(error)));
    else proceed(ports, request, response, operator);
  } catch (error) {
    refuse(request, response, asFault(error));
  }
}

function proceed(ports: GatewayPorts, request: AnyRequest, response: AnyResponse, operator: OperatorIdentity): void {
  const { site, head } = readRequest(ports, request, operator, false);
  const opener = ports.siteOpener(site, operator);
  if (opener instanceof Promise) opener.then((open) => begin(open, head, request, response)).catch((error: unknown) => refuse(request, response, asFault(error)));
  else begin(opener, head, request, response);
}

/** The site and the head of the stream that this request becomes; shared with upgrades. */
export function readRequest(ports: GatewayPorts, request: AnyRequest, operator: OperatorIdentity, isUpgrade: boolean): { site: string; head: RequestHead } {
  const address = findSiteTarget(request.url ?? "");
  if (address === null) throw new Fault("NOT_FOUND", { what: "there is nothing at this address", hint: "clusters are at /k8s/<site>/" });
  requireHonestTarget(address.target);
  if (asksImpersonation(request.rawHeaders)) {
    throw new Fault("IMPERSONATION_REFUSED", { what: "acting as somebody else (--as) is not granted", why: "this relay has one tier of operators, and each acts as itself", hint: "run the command without --as" });
  }
  const head: RequestHead = {
    flags: { interactive: isUpgrade || isInteractive(request.method ?? "GET", address.target), upgrade: isUpgrade },
    method: request.method ?? "GET",
    target: address.target,
    operator: operator.name,
    tier: operator.tier,
    requestId: ports.requestId(),
    source: request.socket.remoteAddress ?? "",
    headers: forwardedRequestHeaders(request.rawHeaders),
  };
  return { site: address.site, head };
}

/** Lists, watches and logs may be long; everything else is a person or a controller waiting for a short answer. */
function isInteractive(method: string, target: string): boolean {
  return method !== "GET" || target.length < 24;
}

function begin(open: StreamOpener, head: RequestHead, request: AnyRequest, response: AnyResponse): void {
  if (response.destroyed || request.destroyed) return; // the client left while we looked
  const exchange = new Exchange(request, response, isWatch(head));
  exchange.start(open(head, exchange));
}

function isWatch(head: RequestHead): boolean {
  return head.method === "GET" && /[?&]watch=(?:1|true)(?:&|$)/.test(head.target);
}

function refuse(request: AnyRequest, response: AnyResponse, fault: Fault): void {
  answerFault(response, fault);
  // What the client still sends is read and dropped for a moment, so that it gets to read the answer; see Exchange.linger.
  if (!request.complete) request.resume();
}
