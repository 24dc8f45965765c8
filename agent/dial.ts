// One attempt to reach a relay: a socket from kit/dial (proxy, CA, pins), TLS 1.3, then the WebSocket on it. Tries the relay's addresses in turn. Also the
// loop that keeps a link alive: p-retry counts, rules/backoff says how long to wait.
import pRetry from "p-retry";
import { TLSSocket } from "node:tls";
import WebSocket from "ws";
import { dial as dialSocket, type ProxySettings } from "../shared/kit/dial.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import type { Clock } from "../shared/kit/clock.ts";
import type { Random } from "../shared/kit/random.ts";
import { TicketStore } from "../shared/kit/tickets.ts";
import { ByeFault, FrameSocket } from "../shared/link/frame-socket.ts";
import type { LinkSocket } from "../shared/link/link-socket.ts";
import { agentHandshake, type AgentHandshake, type AgentHandshakeResult, type HandshakePort } from "../shared/link/handshake.ts";
import { dialDelayMs, refusedDelayMs } from "../shared/rules/backoff.ts";
import { SUBPROTOCOL } from "../shared/wire/frame.ts";
import { handshakeMs, messageBytesMax } from "../shared/wire/limits.ts";
import type { RelayRecord } from "./folder.ts";
import { pauseOrChange } from "./network.ts";

const dialMs = 15_000;
const PATH = "/link";
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
  throw last ?? new Fault("RELAY_UNREACHABLE", { what: "the join token names no relay address", why: "it was made without one", hint: "make a new one at the relay: bowline token create --name NAME" });
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
    ws.once("unexpected-response", (_request, response) => {
      const retryAfterMs = Number(response.headers["retry-after"]) * 1_000;
      if (response.statusCode !== 503 || !(retryAfterMs > 0)) return refuse(`it answered ${response.statusCode ?? "?"} to the WebSocket upgrade`);
      socket.destroy();
      reject(new ByeFault(new Fault("TOO_MANY", { what: `${host} takes no agents right now`, why: "it asked to come back later", hint: "nothing: the agent does so by itself; where it lasts, look at the relay's load and log" }), "busy", retryAfterMs));
    });
    ws.once("open", () => {
      ws.removeAllListeners("error");
      resolve(new FrameSocket(ws, socket, "agent", binding));
    });
  });
}

/** The four frames with their ceiling: a relay or middlebox that went silent must not hold the agent. Faults: those of agentHandshake, RELAY_UNREACHABLE. */
export async function shakeHands(socket: LinkSocket, options: AgentHandshake, clock: Clock, signal: AbortSignal, port: HandshakePort = socket): Promise<AgentHandshakeResult> {
  let isLate = false;
  const stop = (): void => socket.terminate();
  const cancel = clock.after(handshakeMs, () => {
    isLate = true;
    stop();
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await agentHandshake(port, options);
  } catch (error) {
    signal.throwIfAborted();
    if (isLate) throw new Fault("RELAY_UNREACHABLE", { what: "the relay did not finish the link handshake", why: `it went silent for ${handshakeMs / 1_000} s after the WebSocket was open`, hint: "check the relay's load and log, and what stands between", cause: error });
    throw error;
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}

/** Numbers drawn ahead in one durable step: a full disk must not keep a site that runs from dialling. A restart leaves a gap, which is honest: they only rise. */
const dialBlock = 100;

export class DialNumbers {
  readonly #draw: (count: number) => Promise<number>;
  #next = 0;
  #end = 0;

  /** `draw`: durable, gives the first of `count` numbers. */
  constructor(draw: (count: number) => Promise<number>) {
    this.#draw = draw;
  }

  async next(): Promise<number> {
    if (this.#next === this.#end) {
      this.#next = await this.#draw(dialBlock);
      this.#end = this.#next + dialBlock;
    }
    this.#next += 1;
    return this.#next - 1;
  }

  /** The relay knows greater ones: this database was put back from a copy, and a whole block is passed at once. */
  skip(): void {
    this.#next = this.#end;
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
      await pauseOrChange(clock, waitMs, signal);
    },
  });
}
