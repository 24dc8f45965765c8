// One attempt to reach a relay: a socket from kit/dial (proxy, CA, pins), TLS 1.3, then the WebSocket on it. Tries the relay's addresses in turn. Also the
// loop that keeps a link alive: p-retry counts, rules/backoff says how long to wait.
import pRetry from "p-retry";
import { TLSSocket } from "node:tls";
import WebSocket from "ws";
import { dial as dialSocket, TicketStore, type ProxySettings } from "../shared/kit/dial.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { ceiling, pause, systemClock, type Clock } from "../shared/kit/clock.ts";
import type { Random } from "../shared/kit/random.ts";
import { ByeFault, FrameSocket } from "../shared/link/frame-socket.ts";
import { dialDelayMs, refusedDelayMs } from "../shared/rules/backoff.ts";
import { handshakeMs, messageBytesMax } from "../shared/wire/limits.ts";
import type { RelayRecord } from "./folder.ts";

const dialMs = 15_000;
const PATH = "/link";
const SUBPROTOCOL = "bowline.1";
const tickets = new TicketStore();

export interface DialOptions {
  readonly relay: RelayRecord;
  readonly proxy: ProxySettings;
  readonly signal: AbortSignal;
}

/** A WebSocket to the first of the relay's addresses that answers. Faults: RELAY_UNREACHABLE, RELAY_TLS, PROXY_FAILED. */
export async function openRelaySocket(options: DialOptions): Promise<FrameSocket> {
  let last: Fault | null = null;
  for (const url of options.relay.urls) {
    try {
      return await openOne(new URL(url), options);
    } catch (error) {
      options.signal.throwIfAborted();
      last = asFault(error);
    }
  }
  throw last ?? new Fault("RELAY_UNREACHABLE", { what: "the join token names no relay address" });
}

async function openOne(url: URL, { relay, proxy, signal }: DialOptions): Promise<FrameSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || 443);
  const { tls } = relay;
  const socket = await dialSocket({
    host,
    port,
    tls: { serverName: host, ca: tls.kind === "ca" ? tls.ca : "webpki", ...(tls.kind === "pin" ? { pins: tls.pins } : {}), minVersion: "TLSv1.3", alpn: ["http/1.1"], tickets },
    proxy,
    timeoutMs: dialMs,
    faults: { down: "RELAY_UNREACHABLE", tls: "RELAY_TLS" },
    signal,
  });
  if (!(socket instanceof TLSSocket)) throw new Fault("BUG", { what: "a link must run inside TLS" });
  socket.setNoDelay(true);
  return upgrade(socket, url.host, relay.binding);
}

function upgrade(socket: TLSSocket, host: string, binding: "exporter" | "none"): Promise<FrameSocket> {
  return new Promise((resolve, reject) => {
    // The socket is TLS already and checked, so ws is told to speak plainly on it. The mask guards plain-text proxies and the link is always inside
    // TLS: zeros skip the work on both ends (688 against 211 MB/s).
    const ws = new WebSocket(`ws://${host}${PATH}`, [SUBPROTOCOL], {
      createConnection: () => socket,
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
      handshakeTimeout: handshakeMs,
      skipUTF8Validation: true,
      generateMask: (mask: Buffer) => void mask.fill(0),
    });
    const refuse = (why: string): void => {
      socket.destroy();
      reject(new Fault("RELAY_UNREACHABLE", { what: `${host} does not take agents`, why, hint: "check that the address is a Bowline relay's, and that nothing in between removes WebSocket upgrades" }));
    };
    ws.once("error", (error) => refuse(error.message));
    ws.once("unexpected-response", (_request, response) => refuse(`it answered ${response.statusCode ?? "?"} to the WebSocket upgrade`));
    ws.once("open", () => {
      ws.removeAllListeners("error");
      resolve(new FrameSocket(ws, socket, binding));
    });
  });
}

/** The handshake's own ceiling, at this end too: a relay that takes the WebSocket and says nothing more would hold the agent for ever. */
export async function inHandshakeTime<Result>(socket: FrameSocket, handshake: Promise<Result>): Promise<Result> {
  const limit = ceiling(systemClock, handshakeMs);
  const late = new Promise<never>((_resolve, reject) => {
    limit.signal.addEventListener("abort", () => {
      socket.terminate();
      reject(new Fault("RELAY_UNREACHABLE", { what: "the relay does not finish the handshake", why: `it took the WebSocket and did not answer within ${handshakeMs / 1_000} s`, hint: "is it overloaded, or does something in between hold WebSocket messages back?" }));
    });
  });
  try {
    return await Promise.race([handshake, late]);
  } finally {
    limit.clear();
  }
}

export interface KeepOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly onFailed: (fault: Fault, waitMs: number) => void;
}

/** Repeats `attempt` until it resolves or the signal ends it. A relay that answered and refused is asked less often than one that is not there. */
export function untilLinked<Result>(options: KeepOptions, attempt: () => Promise<Result>): Promise<Result> {
  const { clock, random, signal, onFailed } = options;
  let outageSinceMs = clock.monoMs();
  let attempts = 0;
  let refusals = 0;
  return pRetry(attempt, {
    retries: Infinity,
    minTimeout: 0,
    maxTimeout: 0,
    signal,
    shouldRetry: () => true,
    onFailedAttempt: async ({ error }) => {
      signal.throwIfAborted();
      const fault = asFault(error);
      let waitMs: number;
      if (fault instanceof ByeFault || fault.family === "refused") {
        waitMs = refusedDelayMs(fault instanceof ByeFault ? fault.retryAfterMs : 0, refusals, random);
        refusals += 1;
        outageSinceMs = clock.monoMs();
        attempts = 0;
      } else {
        waitMs = dialDelayMs({ forMs: clock.monoMs() - outageSinceMs, attempts }, random);
        attempts += 1;
        refusals = 0;
      }
      onFailed(fault, waitMs);
      await pause(clock, waitMs, signal);
    },
  });
}
