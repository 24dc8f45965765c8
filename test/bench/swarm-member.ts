// One member of a swarm: an agent's link as the product makes it (TLS 1.3, WebSocket, four frames, mux) in a process that it shares with thousands, or for the control
// a TLS socket and nothing on it. Sockets come from kit/dial as an agent's do; in a storm each from an address of its own, as sites have them. Nobody keeps a TLS
// ticket: after a relay's restart none is good.
import { connect as connectTcp } from "node:net";
import { connect as connectTls, createSecureContext, TLSSocket, type SecureContext } from "node:tls";
import WebSocket from "ws";
import { shakeHands } from "../../agent/dial.ts";
import { systemClock } from "../../shared/kit/clock.ts";
import { dial as dialSocket, noProxySettings } from "../../shared/kit/dial.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { systemRandom } from "../../shared/kit/random.ts";
import { ByeFault, FrameSocket } from "../../shared/link/frame-socket.ts";
import { Link } from "../../shared/link/link.ts";
import { creditStartBytes, handshakeMs, letterCreditBytes, letterCreditLetters, messageBytesMax } from "../../shared/wire/limits.ts";
import type { SwarmSite } from "./swarm-sites.ts";

const dialMs = 15_000;
const letterCredit = { letters: letterCreditLetters, octets: letterCreditBytes } as const;

export interface Way {
  readonly port: number;
  readonly ca: string;
  /** Wire form of the key that the relay proves; empty for plain sockets. */
  readonly identity: string;
  /** Each member from an address of its own. */
  readonly isSpread: boolean;
}

export interface Joined {
  /** Resolves with the peer's hint when to come back (ms), 0 without one. */
  readonly ended: Promise<number>;
}

const contexts = new Map<string, SecureContext>();

function contextFor(ca: string): SecureContext {
  const context = contexts.get(ca) ?? createSecureContext({ ca, minVersion: "TLSv1.3" });
  contexts.set(ca, context);
  return context;
}

/** 127.1.0.1 and up: an address per site. */
function ownAddress(index: number): string {
  return `127.1.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

async function tlsSocket(way: Way, index: number, signal: AbortSignal): Promise<TLSSocket> {
  if (way.isSpread) return spreadSocket(way, index);
  const tls = { serverName: "localhost", ca: way.ca, minVersion: "TLSv1.3", alpn: ["http/1.1"] } as const;
  const socket = await dialSocket({ host: "127.0.0.1", port: way.port, tls, proxy: noProxySettings, timeoutMs: dialMs, faults: { down: "RELAY_UNREACHABLE", tls: "RELAY_TLS" }, signal });
  if (!(socket instanceof TLSSocket)) throw new Fault("BUG", { what: "a link must run inside TLS" });
  socket.setNoDelay(true);
  return socket;
}

function spreadSocket(way: Way, index: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const raw = connectTcp({ host: "127.0.0.1", port: way.port, localAddress: ownAddress(index), noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const ceiling = setTimeout(() => fail("no answer in time"), dialMs);
    const fail = (why: string): void => {
      clearTimeout(ceiling);
      raw.destroy();
      reject(new Fault("RELAY_UNREACHABLE", { what: "no TLS", why }));
    };
    raw.once("error", (error) => fail(error.message));
    raw.once("connect", () => {
      const socket = connectTls({ socket: raw, secureContext: contextFor(way.ca), servername: "localhost", ALPNProtocols: ["http/1.1"] });
      socket.on("error", (error) => fail(error.message));
      socket.once("close", () => fail("closed"));
      socket.once("secureConnect", () => {
        clearTimeout(ceiling);
        resolve(socket);
      });
    });
  });
}

/** As agent/dial does it, with the relay's hint. */
function frameSocket(socket: TLSSocket): Promise<FrameSocket> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket("ws://localhost/link", ["bowline.1"], { createConnection: () => socket, perMessageDeflate: false, maxPayload: messageBytesMax, handshakeTimeout: handshakeMs, skipUTF8Validation: true, generateMask: (mask: Buffer) => void mask.fill(0) });
    ws.once("error", (error) => reject(new Fault("RELAY_UNREACHABLE", { what: "no WebSocket", why: error.message })));
    ws.once("unexpected-response", (_request, response) => {
      socket.destroy();
      const retryAfterMs = Number(response.headers["retry-after"] ?? "0") * 1_000;
      reject(new ByeFault(new Fault("TOO_MANY", { what: "the relay takes no agents right now", why: String(response.statusCode) }), "busy", retryAfterMs));
    });
    ws.once("open", () => {
      ws.removeAllListeners("error");
      resolve(new FrameSocket(ws, socket, "agent", "exporter"));
    });
  });
}

export async function joinAsAgent(way: Way, index: number, site: SwarmSite, dial: number, signal: AbortSignal): Promise<Joined> {
  const socket = await frameSocket(await tlsSocket(way, index, signal));
  try {
    const hello = { agentEpoch: site.id.slice(0, 32), relayEpoch: 1, trustVersion: 1, startCredit: creditStartBytes, letterCredit, inDoubt: [], version: "0.1.0", freeOctets: 1e9, outbox: 0 };
    const keys = { publicKey: site.signKey, secretKey: Buffer.from(site.seed, "base64url") };
    const { welcome } = await shakeHands(socket, { purpose: "link", relayKeys: [way.identity], boot: "swarm", dial, keys, site: site.id, hello }, systemClock, signal);
    const link = new Link({ role: "agent", socket, peerStartCredit: welcome.startCredit, ownStartCredit: creditStartBytes, peerLetterCredit: welcome.letterCredit, ownLetterCredit: letterCredit, clock: systemClock, random: systemRandom, log: silentLog });
    link.mux.held(Buffer.from(JSON.stringify({ held: [] }))); // the relay sends no letter before it, and cuts whoever never says it
    link.start();
    return { ended: link.ended.then((end) => end.retryAfterMs) };
  } catch (error) {
    socket.terminate();
    throw error;
  }
}

export async function joinPlainly(way: Way, index: number, signal: AbortSignal): Promise<Joined> {
  const socket = await tlsSocket(way, index, signal);
  socket.on("error", () => {});
  socket.resume();
  return { ended: new Promise((resolve) => socket.once("close", () => resolve(0))) };
}
