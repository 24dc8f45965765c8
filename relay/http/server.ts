// The relay's one port: TLS, ALPN h2 and http/1.1, for agents (/link), kubectl (/k8s/), the API (/api/v1) and probes. Sets every Node default
// that breaks Kubernetes clients. Knows no route itself: the composition root gives one handler for requests and one for upgrades.
import { createServer as createHttp1, type IncomingMessage, type Server as Http1Server, type ServerResponse } from "node:http";
import { createServer as createHttp2, type Http2Server, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTls, type Server as TlsServer, type TLSSocket } from "node:tls";
import { addressBlock } from "../../shared/kit/address-block.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { endThenDestroy } from "../../shared/kit/linger.ts";
import { AddressCount } from "./address-count.ts";
import { headTooLarge, headUnfinished, noHttp } from "./head-faults.ts";
import { HeadBudget } from "./head-budget.ts";
import { H1Peer } from "./h1-peer.ts";
import type { H1Request } from "./h1-request.ts";

/** Upgrades come through Node's server: a 20 KB exec command line is a 60 KB head, and targets end at 256 KiB. */
const libraryHeadBytesMax = 524_288;
/** Node's own bound is 16 KiB: a 20 KB exec command line would fail. */
const h2HeadBytesMax = 65_536;
/** Go keeps idle sockets for 90 s: ours must outlive them, or a request meets a closing socket. */
const keepAliveMs = 125_000;
/** A head must be here within this time (ms); bodies may take days. */
const headersMs = 30_000;
/** How often (ms) sockets that wait are looked at. */
const sweepMs = 5_000;
/** TLS handshakes that take longer (ms) are dropped. */
const tlsHandshakeMs = 10_000;
/** Sockets at once, in total: each costs descriptors and some 40 KB. */
const socketsMax = 20_000;
/** Sockets at once from one address: half of all. Thousands of sites and operators may stand behind one NAT or load balancer; others must get in beside them. */
const socketsPerAddressMax = 10_000;
/** A client that says nothing for this long (ms) is asked whether it is there: a laptop that was shut must not hold a stream, and a process in a pod. Go's servers ask after 15 s. */
const probeAfterMs = 30_000;
/** Streams one HTTP/2 client may have open: k9s holds some 40 watches, controllers hundreds. */
const h2StreamsMax = 1_000;
/** h2 windows: 64 KiB would hold one upload to 64 KiB a round trip. */
const h2StreamWindowBytes = 1_048_576;

export interface ServerHandlers {
  onRequest(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: TLSSocket, ahead: Buffer): void;
  /** A request for a cluster that our own codec read. */
  onH1Request(request: H1Request): void;
  /** A whole answer that says what was wrong with a head, and that the socket closes. */
  refusal(fault: Fault): Buffer;
}

export interface ServerOptions {
  /** Who reads HTTP/1.1 requests for clusters: our strict codec, or Node's parser. */
  readonly codec: "own" | "library";
  /** Sockets at once from one address, where it is not `socketsPerAddressMax`. */
  readonly perAddressMax?: number;
  readonly cert: string;
  readonly key: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export class RelayServer {
  readonly #tls: TlsServer;
  readonly #h1: Http1Server;
  readonly #h2: Http2Server;
  readonly #sockets = new Set<Socket>();
  readonly #h2Peers = new Set<ServerHttp2Session>();
  readonly #h1Peers = new Set<H1Peer>();
  readonly #headBudget = new HeadBudget();
  readonly #perAddress: AddressCount;
  readonly #handlers: ServerHandlers;
  readonly #codec: "own" | "library";
  readonly #sweep = setInterval(() => this.#sweepWaiting(), sweepMs).unref();

  constructor(options: Pick<ServerOptions, "cert" | "key" | "codec" | "perAddressMax">, handlers: ServerHandlers) {
    this.#handlers = handlers;
    this.#codec = options.codec;
    this.#perAddress = new AddressCount(options.perAddressMax ?? socketsPerAddressMax);
    this.#h1 = createHttp1({ maxHeaderSize: libraryHeadBytesMax, keepAliveTimeout: keepAliveMs, headersTimeout: headersMs, requestTimeout: 0, requireHostHeader: false, noDelay: true, insecureHTTPParser: false });
    // Node begins to watch for slow heads when a server listens; this one is only ever handed sockets.
    this.#h1.emit("listening");
    this.#h1.timeout = 0;
    this.#h1.maxRequestsPerSocket = 0;
    this.#h1.on("request", (request, response) => handlers.onRequest(request, response));
    this.#h1.on("checkContinue", (request, response) => {
      response.writeContinue();
      handlers.onRequest(request, response);
    });
    this.#h1.on("upgrade", (request, socket, ahead) => handlers.onUpgrade(request, socket as TLSSocket, ahead));
    this.#h1.on("connect", (_request, socket) => endThenDestroy(socket as Socket, handlers.refusal(noConnect())));
    this.#h1.on("clientError", (error, socket) => this.#refuseClient(error as NodeJS.ErrnoException, socket as Socket));
    this.#h2 = createHttp2({
      maxHeaderListPairs: 2_000,
      settings: { maxHeaderListSize: h2HeadBytesMax, maxConcurrentStreams: h2StreamsMax, initialWindowSize: h2StreamWindowBytes, enableConnectProtocol: false },
      unknownProtocolTimeout: headersMs,
    });
    this.#h2.setTimeout(0);
    this.#h2.on("request", (request, response) => handlers.onRequest(request, response));
    this.#h2.on("session", (peer) => {
      this.#h2Peers.add(peer);
      peer.setLocalWindowSize(4 * h2StreamWindowBytes);
      peer.on("close", () => this.#h2Peers.delete(peer));
      let open = 0;
      peer.on("stream", (stream) => {
        open += 1;
        stream.once("close", () => (open -= 1));
      });
      peer.setTimeout(keepAliveMs, () => {
        if (open === 0) peer.close();
      });
      peer.on("error", () => {});
    });
    this.#tls = createTls({ cert: options.cert, key: options.key, ALPNProtocols: ["h2", "http/1.1"], minVersion: "TLSv1.2", handshakeTimeout: tlsHandshakeMs });
    this.#tls.maxConnections = socketsMax;
    this.#tls.on("connection", (socket: Socket) => this.#count(socket));
    this.#tls.on("secureConnection", (socket) => this.#hand(socket));
    this.#tls.on("tlsClientError", () => {}); // scanners and wrong pins; the client has the reason
  }

  /** Before TLS: a handshake that never ends costs a descriptor as well. */
  #count(socket: Socket): void {
    const address = addressBlock(socket.remoteAddress ?? "");
    if (!this.#perAddress.take(address)) return void socket.destroy();
    socket.once("close", () => this.#perAddress.giveBack(address));
  }

  #hand(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    socket.setNoDelay(true);
    socket.setKeepAlive(true, probeAfterMs); // agents' links have pings of their own: agents/accept turns it off
    if (socket.alpnProtocol === "h2") this.#h2.emit("connection", socket);
    else if (this.#codec === "library") this.#h1.emit("connection", socket);
    else this.#ownPeer(socket);
  }

  #ownPeer(socket: TLSSocket): void {
    const forget = (): void => void this.#h1Peers.delete(peer);
    const peer: H1Peer = new H1Peer(
      socket,
      {
        onRequest: (request) => this.#handlers.onH1Request(request),
        refusal: (fault) => this.#handlers.refusal(fault),
        handOver: (taken) => {
          forget();
          taken.off("close", forget);
          this.#h1.emit("connection", taken);
        },
      },
      this.#headBudget,
    );
    this.#h1Peers.add(peer);
    socket.once("close", forget);
  }

  /** One timer for all sockets: half heads end after `headersMs`, idle sockets after `keepAliveMs`. */
  #sweepWaiting(): void {
    const nowMs = performance.now();
    for (const peer of this.#h1Peers) {
      const waiting = peer.waiting(nowMs);
      if (waiting === null) continue;
      if (waiting.hasPart && waiting.forMs > headersMs) peer.refuse(headUnfinished(headersMs));
      else if (waiting.hasPart || waiting.forMs <= keepAliveMs) continue;
      else if (peer.socket.writableEnded) peer.socket.destroy(); // it was told a sweep ago, or long before, and does not go
      else peer.socket.end();
    }
  }

  /** What Node's parser cannot read, or did not get in time. */
  #refuseClient(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
    const isSlow = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
    const fault = error.code === "HPE_HEADER_OVERFLOW" ? headTooLarge(libraryHeadBytesMax) : isSlow ? headUnfinished(headersMs) : noHttp(error.message);
    endThenDestroy(socket, this.#handlers.refusal(fault));
  }

  /** New certificates for new sockets; the old ones go on. */
  renew(cert: string, key: string): void {
    this.#tls.setSecureContext({ cert, key });
  }

  /** Resolves with the real port. Faults: PORT_IN_USE, USAGE. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#tls.once("error", (error: NodeJS.ErrnoException) => reject(listenFault(error, host, port)));
      this.#tls.listen({ host, port, backlog: 4_096 }, () => {
        this.#tls.removeAllListeners("error");
        resolve((this.#tls.address() as AddressInfo).port);
      });
    });
  }

  /** Takes no new sockets; what is open goes on. */
  refuseNew(): void {
    this.#tls.close();
    for (const peer of this.#h2Peers) peer.close();
    this.#h1.closeIdleConnections();
    for (const peer of this.#h1Peers) if (peer.current === null) peer.socket.end();
  }

  /** Ends everything that is left. */
  close(): void {
    clearInterval(this.#sweep);
    this.refuseNew();
    for (const peer of this.#h2Peers) peer.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A listening error in words. */
function listenFault(error: NodeJS.ErrnoException, host: string, port: number): Fault {
  const at = `${host}:${port}`;
  if (error.code === "EADDRINUSE") {
    return new Fault("PORT_IN_USE", { what: `cannot listen on ${at}`, why: "another process uses this port", hint: `stop that process (ss -ltnp 'sport = :${port}' names it) or choose another port with --listen`, cause: error });
  }
  if (error.code === "EACCES") return new Fault("PORT_IN_USE", { what: `cannot listen on ${at}`, why: "ports below 1024 need a privilege this process does not have", hint: "choose a port above 1023 with --listen", cause: error });
  return new Fault("USAGE", { what: `cannot listen on ${at}`, why: error.message, hint: "--listen takes HOST:PORT, e.g. 0.0.0.0:8443", cause: error });
}

function noConnect(): Fault {
  return new Fault("METHOD_REFUSED", { what: "CONNECT is not possible here", why: "the relay is no proxy; clusters are at /k8s/<site>/", hint: "take the relay's address out of the client's proxy settings" });
}
