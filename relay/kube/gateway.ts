// The relay's side of an ordinary Kubernetes request: one stream per request, head as a structured record, body octets passed on as they
// come. Credit goes back when the client's socket took the octets, so a stalled kubectl stalls its own stream and nobody else's.
// Refuses before anything reaches a site: unknown operator or site, dishonest paths, header tricks. Called by relay/http for /k8s/.
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { asksImpersonation, findHeader, forwardedRequestHeaders } from "../../shared/rules/headers.ts";
import { findSiteTarget, requireHonestTarget } from "../../shared/rules/target.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { HeaderBlock } from "../../shared/wire/http-head.ts";
import { encodePairs, type RequestHead } from "../../shared/wire/message.ts";
import { Exchange, hasBody } from "./exchange.ts";
import { H1Exchange, type H1Port } from "./h1-exchange.ts";
import { isInteractive, isWatchQuery } from "./interactive.ts";
import { answerFault, statusAnswer, type AnyResponse } from "./status-body.ts";

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

/** What the gateway reads of a request, whoever parsed it. */
export interface RequestFacts {
  readonly method: string;
  readonly url: string;
  readonly source: string;
  readonly authorization: string | null;
  /** A body follows, or may. */
  readonly hasBody: boolean;
  /** What of its headers crosses the link. Faults: HEADER_REFUSED, IMPERSONATION_REFUSED; asked after the operator is known. */
  readonly headers: (isUpgrade: boolean) => ForwardedHeaders;
}

export interface ForwardedHeaders {
  readonly pairs: readonly string[];
  /** The same, as OPEN carries them. */
  readonly encoded?: Uint8Array;
}

/** Answers one request below /k8s/. Never throws: every failure is a Status to the client. */
export function handleKubeRequest(ports: GatewayPorts, request: AnyRequest, response: AnyResponse): void {
  answer(ports, () => factsOf(request), {
    begin: (open, head) => {
      if (response.destroyed || request.destroyed) return; // the client left while we looked
      const exchange = new Exchange(request, response, isWatch(head));
      exchange.start(open(head, exchange));
    },
    refuse: (fault) => {
      answerFault(response, fault);
      // What the client still sends is read and dropped for a moment, so that it gets to read the answer; see Exchange.linger.
      if (!request.complete) request.resume();
    },
  });
}

/** The same for a request that our own HTTP/1.1 codec read. */
export function handleH1Request(ports: GatewayPorts, port: H1Port): void {
  answer(ports, () => ({ method: port.method, url: port.url, source: port.remoteAddress, hasBody: port.hasBody, authorization: findHeader(port.block.pairs, "authorization"), headers: () => headersOfBlock(port.block) }), {
    begin: (open, head) => {
      if (port.isGone) return;
      const exchange = new H1Exchange(port, isWatch(head));
      exchange.start(open(head, exchange));
    },
    refuse: (fault) => {
      port.send(statusAnswer(fault, false, port.method));
      port.finish();
    },
  });
}

interface Answerer {
  readonly begin: (open: StreamOpener, head: RequestHead) => void;
  readonly refuse: (fault: Fault) => void;
}

function answer(ports: GatewayPorts, read: () => RequestFacts, answerer: Answerer): void {
  const refuse = (error: unknown): void => answerer.refuse(asFault(error));
  try {
    const facts = read();
    const operator = ports.authenticate(facts.authorization);
    if (operator instanceof Promise) operator.then((known) => proceed(ports, facts, known, answerer)).catch(refuse);
    else proceed(ports, facts, operator, answerer);
  } catch (error) {
    refuse(error);
  }
}

function proceed(ports: GatewayPorts, facts: RequestFacts, operator: OperatorIdentity, answerer: Answerer): void {
  const { site, head } = readRequest(ports, facts, operator, false);
  const opener = ports.siteOpener(site, operator);
  if (opener instanceof Promise) opener.then((open) => answerer.begin(open, head)).catch((error: unknown) => answerer.refuse(asFault(error)));
  else answerer.begin(opener, head);
}

export function factsOf(request: AnyRequest): RequestFacts {
  return { method: request.method ?? "GET", url: request.url ?? "", source: request.socket.remoteAddress ?? "", hasBody: hasBody(request), authorization: request.headers.authorization ?? null, headers: (isUpgrade) => ({ pairs: judged(request.rawHeaders, isUpgrade) }) };
}

/** Blocks are the same object while a client sends the same lines, so each is judged once. */
const blocks = new WeakMap<HeaderBlock, ForwardedHeaders>();

function headersOfBlock(block: HeaderBlock): ForwardedHeaders {
  let headers = blocks.get(block);
  if (headers === undefined) {
    const pairs = judged(block.pairs, false);
    headers = { pairs, encoded: encodePairs(pairs) };
    blocks.set(block, headers);
  }
  return headers;
}

function judged(flat: readonly string[], isUpgrade: boolean): readonly string[] {
  if (asksImpersonation(flat)) {
    throw new Fault("IMPERSONATION_REFUSED", { what: "acting as somebody else (--as) is not granted", why: "this relay has one tier of operators, and each acts as itself", hint: "run the command without --as" });
  }
  return forwardedRequestHeaders(flat, isUpgrade);
}

/** The site and the head of the stream that this request becomes; shared with upgrades. */
export function readRequest(ports: GatewayPorts, facts: RequestFacts, operator: OperatorIdentity, isUpgrade: boolean): { site: string; head: RequestHead } {
  const address = findSiteTarget(facts.url);
  if (address === null) throw new Fault("NOT_FOUND", { what: "there is nothing at this address", hint: "clusters are at /k8s/<site>/" });
  requireHonestTarget(address.target);
  const { pairs, encoded } = facts.headers(isUpgrade);
  const head: RequestHead = {
    flags: { interactive: isUpgrade || isInteractive(facts.method, address.target), upgrade: isUpgrade, ends: !isUpgrade && !facts.hasBody },
    method: facts.method,
    target: address.target,
    operator: operator.name,
    tier: operator.tier,
    requestId: ports.requestId(),
    source: facts.source,
    headers: pairs,
    ...(encoded === undefined ? {} : { encodedHeaders: encoded }),
  };
  return { site: address.site, head };
}

function isWatch(head: RequestHead): boolean {
  return head.method === "GET" && isWatchQuery(head.target);
}
