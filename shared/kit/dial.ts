// The one builder of outbound sockets: agent to relay, agent to API server, command line to relay. Proxy (CONNECT, credentials, TLS to the proxy),
// private CA, SPKI pins, SNI and client certificates in every combination. Each wait has a ceiling and a signal. Never hands out a TLS socket
// whose peer was not checked: by chain and name, or by pin.
import { createHash } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, getCACertificates, type ConnectionOptions, type TLSSocket } from "node:tls";
import { ceiling, systemClock } from "./clock.ts";
import { Fault, type FaultCode } from "./errors.ts";
import { bareHost, describeRoute, findProxy, type ProxyAddress, type ProxySettings } from "./proxy.ts";
import type { TicketStore } from "./tickets.ts";

export { parseProxySettings, noProxySettings, type ProxySettings } from "./proxy.ts";

/** Octets of a proxy's answer to CONNECT. */
const proxyHeadBytesMax = 16_384;

export interface DialTls {
  readonly serverName?: string | null;
  /** PEM that replaces the public roots, or "webpki" for these (and NODE_EXTRA_CA_CERTS). */
  readonly ca: string;
  /** SHA-256 of acceptable SubjectPublicKeyInfos, base64url. When given, the pin is what is checked, and nothing else. */
  readonly pins?: readonly string[];
  readonly clientCert?: string | null;
  readonly clientKey?: string | null;
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  readonly alpn?: readonly string[];
  /** Keeps TLS tickets of checked peers between dials, keyed by what was checked. */
  readonly tickets?: TicketStore;
}

export interface DialFaults {
  readonly down: FaultCode;
  readonly tls: FaultCode;
}

export interface DialOptions {
  /** A name or an address; an IPv6 address also as a URL has it, in brackets. */
  readonly host: string;
  readonly port: number;
  /** Null: plain TCP. */
  readonly tls: DialTls | null;
  readonly proxy: ProxySettings;
  readonly timeoutMs: number;
  readonly faults: DialFaults;
  readonly signal: AbortSignal;
}

/** A connected socket; a TLS one whose peer was checked. Faults: `faults.down`, `faults.tls`, PROXY_FAILED. */
export async function dial(asked: DialOptions): Promise<Socket | TLSSocket> {
  const options = withBareHosts(asked);
  const { signal } = options;
  signal.throwIfAborted();
  const limit = ceiling(systemClock, options.timeoutMs);
  const either = AbortSignal.any([signal, limit.signal]);
  try {
    const proxy = findProxy(options.proxy, { host: options.host, port: options.port, isTls: options.tls !== null });
    const raw = proxy === null ? await tcp(options.host, options.port, either) : await throughProxy(proxy, options, either);
    if (options.tls === null) return raw;
    return await secure(raw, options, options.tls, either);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    if (limit.signal.aborted) throw down(options, `no answer within ${options.timeoutMs / 1000} s`, error);
    throw down(options, errnoText(error as NodeJS.ErrnoException), error);
  } finally {
    limit.clear();
  }
}

/** Callers hand over what `new URL()` gave them. */
function withBareHosts(options: DialOptions): DialOptions {
  const { tls } = options;
  return { ...options, host: bareHost(options.host), tls: typeof tls?.serverName === "string" ? { ...tls, serverName: bareHost(tls.serverName) } : tls };
}

function down(options: DialOptions, why: string, cause: unknown): Fault {
  const route = describeRoute(options.proxy, { host: options.host, port: options.port, isTls: options.tls !== null });
  return new Fault(options.faults.down, { what: `${options.host}:${options.port} cannot be reached`, why: `${why}, ${route}`, hint: "check the address, the network and the proxy settings (HTTPS_PROXY, NO_PROXY)", cause });
}

/** The kernel probes a socket that is quiet for so long (ms): longer than a link's own ping, which would else find its work done twice. */
const probeMs = 60_000;

function tcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return settled<Socket>(connectTcp({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: probeMs, autoSelectFamily: true }), "connect", signal);
}

/** Resolves when `event` comes; destroys the socket on error and abort, and leaves no listener behind. */
function settled<S extends Socket>(socket: S, event: "connect" | "secureConnect", signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.off(event, done);
      socket.off("error", failed);
      socket.off("close", closed);
      signal.removeEventListener("abort", aborted);
    };
    const fail = (error: Error): void => {
      stop();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const done = (): void => {
      stop();
      resolve(socket);
    };
    const failed = (error: Error): void => fail(error);
    const closed = (): void => fail(Object.assign(new Error("the socket was closed by the other side"), { code: "ECONNRESET" }));
    const aborted = (): void => fail(signal.reason as Error);
    socket.once(event, done);
    socket.once("error", failed);
    socket.once("close", closed);
    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) aborted();
  });
}

async function throughProxy(proxy: ProxyAddress, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  const check = "check HTTPS_PROXY (with USER:PASSWORD@ if it wants credentials), or put the host into NO_PROXY";
  const fail = (why: string, cause?: unknown, hint = check): Fault => new Fault("PROXY_FAILED", { what: `the proxy ${proxy.shown} did not connect to ${options.host}:${options.port}`, why, hint, cause });
  /** The caller's own abort goes on as it is; the ceiling is the proxy's to answer for while it has not connected us. */
  const failed = (error: NodeJS.ErrnoException): unknown => {
    options.signal.throwIfAborted();
    if (signal.aborted) return fail(`no answer within ${options.timeoutMs / 1_000} s`, error);
    const distrust = trustWhy(error, proxy.host);
    if (distrust !== null) return fail(distrust, error, "give the authority that issued it to this process: NODE_EXTRA_CA_CERTS=FILE; never turn verification off");
    return error instanceof Fault ? error : fail(errnoText(error), error);
  };
  let socket: Socket;
  try {
    socket = await tcp(proxy.host, proxy.port, signal);
    if (proxy.isTls) socket = await settled(connectTls({ socket, host: proxy.host, ...serverName(proxy.host), ...proxyRoots(options.tls), minVersion: "TLSv1.2" }), "secureConnect", signal);
  } catch (error) {
    throw failed(error as NodeJS.ErrnoException);
  }
  const authority = `${isIP(options.host) === 6 ? `[${options.host}]` : options.host}:${options.port}`;
  const credentials = proxy.authorization === null ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`);
  try {
    const status = await proxyStatus(socket, signal);
    if (status === 407) throw fail(proxy.authorization === null ? "it wants credentials (407)" : "it refused the credentials (407)");
    if (status < 200 || status > 299) throw fail(`it answered ${status}`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw failed(error as NodeJS.ErrnoException);
  }
}

/** The proxy's own certificate may come from the same private CA as the target's, from one that the machine was told of (NODE_EXTRA_CA_CERTS), or from a public one. */
function proxyRoots(tls: DialTls | null): { ca?: string[] } {
  return tls === null || tls.ca === "webpki" ? {} : { ca: [...getCACertificates("default"), tls.ca] };
}

/** Reads the head of the answer to CONNECT; octets behind it stay in the socket. */
function proxyStatus(socket: Socket, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const stop = (): void => {
      socket.off("readable", read);
      socket.off("error", failed);
      socket.off("end", ended);
      signal.removeEventListener("abort", aborted);
    };
    const finish = (act: () => void): void => {
      stop();
      act();
    };
    const failed = (error: Error): void => finish(() => reject(error));
    const ended = (): void => finish(() => reject(new Error("it closed the socket without an answer")));
    const aborted = (): void => finish(() => reject(signal.reason as Error));
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf("\r\n\r\n");
        if (end === -1 && head.length > proxyHeadBytesMax) return finish(() => reject(new Error("its answer has no end")));
        if (end === -1) continue;
        const rest = head.subarray(end + 4);
        const found = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString("latin1", 0, Math.min(end, 64)));
        return finish(() => {
          if (rest.length > 0) socket.unshift(rest);
          if (found === null) reject(new Error("its answer is not HTTP"));
          else resolve(Number(found[1]));
        });
      }
    };
    socket.on("readable", read);
    socket.on("error", failed);
    socket.on("end", ended);
    signal.addEventListener("abort", aborted, { once: true });
  });
}

async function secure(raw: Socket, options: DialOptions, tls: DialTls, signal: AbortSignal): Promise<TLSSocket> {
  const name = tls.serverName ?? options.host;
  const isPinned = tls.pins !== undefined && tls.pins.length > 0;
  const checkKey = `${name}|${isPinned ? tls.pins.join(",") : createHash("sha256").update(tls.ca).digest("base64url")}`;
  const ticket = tls.tickets?.find(checkKey);
  const settings: ConnectionOptions = {
    socket: raw,
    host: name,
    ...serverName(name),
    minVersion: tls.minVersion ?? "TLSv1.2",
    // In pin mode the pin below is the whole check, and it fails closed; the chain of a self-signed certificate proves nothing more.
    rejectUnauthorized: !isPinned,
    ...(tls.ca === "webpki" ? {} : { ca: tls.ca }),
    ...(tls.clientCert && tls.clientKey ? { cert: tls.clientCert, key: tls.clientKey } : {}),
    ...(tls.alpn ? { ALPNProtocols: [...tls.alpn] } : {}),
    ...(ticket ? { session: ticket } : {}),
  };
  try {
    const socket = await settled(connectTls(settings), "secureConnect", signal);
    if (isPinned && !socket.isSessionReused()) requirePin(socket, tls.pins);
    if (tls.tickets) socket.on("session", (fresh) => tls.tickets!.keep(checkKey, fresh));
    return socket;
  } catch (error) {
    raw.destroy();
    tls.tickets?.drop(checkKey);
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    throw tlsFault(error as NodeJS.ErrnoException, options, name);
  }
}

/** An address has no server name (RFC 6066 section 3): then the certificate must name the address. */
function serverName(name: string): { servername?: string } {
  return isIP(name) === 0 ? { servername: name } : { servername: "" };
}

function requirePin(socket: TLSSocket, pins: readonly string[]): void {
  const certificate = socket.getPeerX509Certificate();
  const spki = certificate?.publicKey.export({ type: "spki", format: "der" });
  const pin = spki === undefined ? "" : createHash("sha256").update(spki).digest("base64url");
  if (pins.includes(pin)) return;
  socket.destroy();
  throw new Fault("RELAY_TLS", { what: "the certificate's key is not the pinned one", why: `it has the pin ${pin || "none"}, wanted ${pins.join(" or ")}`, hint: "if the relay's certificate was renewed with another key, make a new join token" });
}

/** Why a certificate is not trusted, in words; null when the error is another. */
function trustWhy(error: NodeJS.ErrnoException, name: string): string | null {
  const code = error.code ?? "";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is not for ${name}`;
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired";
  return /CERT|SELF_SIGNED|UNABLE_TO|ISSUER|ALTNAME|HOSTNAME/.test(code) ? `its certificate comes from an authority that is not trusted (${code})` : null;
}

function tlsFault(error: NodeJS.ErrnoException, options: DialOptions, name: string): Fault {
  const code = error.code ?? "";
  const at = `${options.host}:${options.port}`;
  const distrust = trustWhy(error, name);
  if (distrust === null && !code.startsWith("ERR_SSL") && !code.startsWith("EPROTO")) return down(options, errnoText(error), error);
  const hint = distrust !== null ? "give the authority that issued it (--ca FILE, or certificate-authority in the kubeconfig); never turn verification off" : "is it really a TLS port?";
  return new Fault(options.faults.tls, { what: `no trusted TLS with ${at}`, why: distrust ?? error.message, hint, cause: error });
}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there (connection refused)",
  ENOTFOUND: "its name is unknown to the resolver",
  EAI_AGAIN: "the resolver does not answer",
  ETIMEDOUT: "no answer (timed out)",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no network",
  ECONNRESET: "it closed the socket",
  EPIPE: "it closed the socket",
};

export function errnoText(error: NodeJS.ErrnoException): string {
  const inner = (error as { errors?: NodeJS.ErrnoException[] }).errors?.[0] ?? error;
  return ERRNO_TEXT[inner.code ?? ""] ?? inner.message;
}

export type Connector = (options: unknown, callback: (error: Error | null, socket: Socket | null) => void) => void;

/** undici's `connect` function over dial: one upstream, whatever undici asks for. `tls` is asked at each dial, so renewed CAs count. */
export function undiciConnector(options: Omit<DialOptions, "signal" | "tls"> & { readonly tls: () => DialTls | null }): Connector {
  return (_asked, callback) => {
    dial({ ...options, tls: options.tls(), signal: new AbortController().signal }).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error as Error, null),
    );
  };
}
