// Takes agents' WebSockets at /link: TLS 1.3 only, the subprotocol, bounded handshakes in progress, then the four frames. Whoever is refused hears why in
// a BYE. An admitted link is handed to `onLinked`; an agent that waits for approval keeps its socket until it is approved, denied, or leaves.
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { addressBlock } from "../../shared/kit/address-block.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { endThenDestroy } from "../../shared/kit/linger.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { Random } from "../../shared/kit/random.ts";
import { ByeFault, FrameSocket } from "../../shared/link/frame-socket.ts";
import type { LinkSocket } from "../../shared/link/link-socket.ts";
import { relayHandshake, type Claim, type SigningPair } from "../../shared/link/handshake.ts";
import { reasonOf } from "../../shared/link/reason.ts";
import type { CodeName } from "../../shared/wire/codes.ts";
import { SUBPROTOCOL } from "../../shared/wire/frame.ts";
import { encodeBye } from "../../shared/wire/message.ts";
import { handshakeMs, messageBytesMax } from "../../shared/wire/limits.ts";
import type { RelayStore } from "../store/store.ts";
import { admitJoin, admitLink, type Admitted } from "./admission.ts";

/** Handshakes in progress in total, and from one address: a storm is spread by hints, a flood stays outside. */
const handshakesMax = 512;
/** Many sites share one address behind a NAT or a load balancer. */
const handshakesPerAddressMax = 256;
/** Agents that are told to come back spread over this time (s). */
const crowdSpreadS = 8;

export interface AcceptOptions {
  readonly store: RelayStore;
  readonly identity: SigningPair;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `none`: something in front of the relay ends TLS, so claims are not bound to it. */
  readonly binding: "exporter" | "none";
  /** A last answer as octets, for who is refused before there is a WebSocket. `headers`: lines, each with its CRLF. */
  readonly refusal: (fault: Fault, status: number, headers: string) => Buffer;
  readonly onLinked: (socket: LinkSocket, claim: Claim, admitted: Admitted) => void;
}

interface Refusal {
  /** Agents come back by themselves after a 503 that says when; a Fault's own status may be another. */
  readonly status: number;
  readonly headers?: string;
  readonly fault: Fault;
}

export class Acceptor {
  readonly #options: AcceptOptions;
  readonly #server: WebSocketServer;
  readonly #byAddress = new Map<string, number>();
  readonly #waiting = new Map<string, Set<LinkSocket>>();
  #inProgress = 0;
  #isDraining = false;

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: messageBytesMax, clientTracking: false, skipUTF8Validation: true, handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false) });
    this.#server.on("wsClientError", (error, socket) => endThenDestroy(socket as TLSSocket, options.refusal(new Fault("HANDSHAKE_REFUSED", { what: "the upgrade at /link is no WebSocket request", why: error.message, hint: "agents come here and nobody else; a proxy in between must pass WebSocket upgrades as they are" }), 400, "")));
  }

  /** One upgrade request at /link. */
  upgrade(request: IncomingMessage, socket: TLSSocket, ahead: Buffer): void {
    const address = addressBlock(socket.remoteAddress ?? "");
    const refusal = this.#refusal(request, socket, address);
    if (refusal !== null) return endThenDestroy(socket, this.#options.refusal(refusal.fault, refusal.status, refusal.headers ?? ""));
    socket.setKeepAlive(false); // a link has its own pings; TCP's would double the octets of an idle one
    this.#count(address, 1);
    const ceiling = setTimeout(() => socket.destroy(), handshakeMs);
    const done = (): void => {
      clearTimeout(ceiling);
      this.#count(address, -1);
    };
    // Whatever is no WebSocket request is answered by `wsClientError`; then `close` is all that follows.
    let isTaken = false;
    socket.once("close", () => {
      if (!isTaken) done();
    });
    this.#server.handleUpgrade(request, socket, ahead, (ws) => {
      isTaken = true;
      void this.take(new FrameSocket(ws, socket, "relay", this.#options.binding)).finally(done);
    });
  }

  #refusal(request: IncomingMessage, socket: TLSSocket, address: string): Refusal | null {
    if (this.#isDraining) return { status: 503, headers: comeBack(this.#options.random), fault: new Fault("DRAINING", { what: "this relay takes no agents", why: "it is shutting down", hint: "nothing has to be done: the agent comes back by itself" }) };
    const spoken = socket.getProtocol();
    if (this.#options.binding === "exporter" && spoken !== "TLSv1.3") {
      return { status: 426, headers: "upgrade: TLS/1.3\r\n", fault: new Fault("HANDSHAKE_REFUSED", { what: "a link needs TLS 1.3", why: `this socket speaks ${spoken ?? "something else"}`, hint: "let TLS 1.3 through between agent and relay, or start the relay with --tls-binding none when something in front ends TLS" }) };
    }
    if (!(request.headers["sec-websocket-protocol"] ?? "").split(",").some((name) => name.trim() === SUBPROTOCOL)) {
      return { status: 400, fault: new Fault("VERSION_UNSUPPORTED", { what: "the upgrade offers no link protocol of this relay", why: `it speaks ${SUBPROTOCOL}`, hint: "run an agent of the relay's version, and check that nothing in between removes Sec-WebSocket-Protocol" }) };
    }
    if (this.#inProgress >= handshakesMax || (this.#byAddress.get(address) ?? 0) >= handshakesPerAddressMax) {
      return { status: 503, headers: comeBack(this.#options.random), fault: new Fault("TOO_MANY", { what: "this relay takes no more agents right now", why: "too many are in their handshake", hint: "nothing has to be done: the agent comes back by itself" }) };
    }
    return null;
  }

  #count(address: string, step: number): void {
    this.#inProgress += step;
    const count = (this.#byAddress.get(address) ?? 0) + step;
    if (count > 0) this.#byAddress.set(address, count);
    else this.#byAddress.delete(address);
  }

  /** Shakes hands on an agent's socket and hands it over, keeps it waiting, or says why not. Never rejects. */
  async take(socket: LinkSocket): Promise<void> {
    const { store, identity, clock, log, binding, onLinked } = this.#options;
    let admitted: Admitted | null = null;
    try {
      const { claim } = await relayHandshake(socket, {
        identity,
        nowMs: () => clock.wallMs(),
        drawFence: () => store.call("drawFence", null),
        admit: async (asked) => {
          admitted = asked.purpose === "join" ? await admitJoin(store, clock, asked) : await admitLink(store, clock, asked, binding);
          return admitted.welcome;
        },
      });
      const { site, welcome } = admitted!;
      if (welcome.trustMore === true) return socket.close(); // it walks what it was given and dials again for the rest
      if (welcome.state === "linked") return onLinked(socket, claim, admitted!);
      log.info({ site: site.name, id: site.id }, "an agent waits for approval");
      this.#wait(site.id, socket);
    } catch (error) {
      this.#bye(socket, asFault(error));
    }
  }

  #bye(socket: LinkSocket, fault: Fault): void {
    if (!(fault instanceof ByeFault) && fault.code !== "LINK_LOST") {
      this.#options.log.warn({ code: fault.code, what: fault.message, why: fault.why }, "an agent was refused");
      socket.send("BYE", encodeBye({ code: byeCode(fault), greatestId: 0, retryAfterMs: fault.family === "unavailable" ? 1_000 * crowdHintS(this.#options.random) : 0, reason: reasonOf(toldTo(fault)), otherRelay: "" }));
    }
    socket.close();
  }

  #wait(siteId: string, socket: LinkSocket): void {
    const sockets = this.#waiting.get(siteId) ?? new Set();
    // One agent, one socket: an older one of the same key is a leftover.
    for (const older of sockets) older.close();
    this.#waiting.set(siteId, new Set([socket]));
    socket.attach(() => socket.terminate()); // nothing may come from an agent that waits
    void socket.ended.then(() => {
      const now = this.#waiting.get(siteId);
      now?.delete(socket);
      if (now?.size === 0) this.#waiting.delete(siteId);
    });
  }

  /** An operator decided: the agent is told to dial again now, or that it is over. */
  decide(siteId: string, verdict: "approved" | Fault): void {
    for (const socket of this.#waiting.get(siteId) ?? []) {
      const fault = verdict === "approved" ? new Fault("SITE_WAITING", { what: "this agent was approved", why: "it links as a site from here on" }) : verdict;
      socket.send("BYE", encodeBye({ code: verdict === "approved" ? "waiting" : byeCode(fault), greatestId: 0, retryAfterMs: 1, reason: reasonOf(fault), otherRelay: "" }));
      socket.close();
    }
    this.#waiting.delete(siteId);
  }

  /** No new agents; those that wait are sent away. */
  drain(fault: Fault): void {
    this.#isDraining = true;
    for (const id of this.#waiting.keys()) this.decide(id, fault);
  }
}

/** What an agent, or whoever plays one, is told of this relay's own troubles: that there are some. Its paths are in its own log. */
function toldTo(fault: Fault): Fault {
  const isOurs = fault.family === "bug" || fault.code === "DISK_FULL" || fault.code.startsWith("STORE_");
  return isOurs ? new Fault(fault.code, { what: "the relay has a problem of its own and takes no links", hint: "the relay's log says more; nothing has to be done at the site" }) : fault;
}

function byeCode(fault: Fault): CodeName {
  switch (fault.family) {
    case "unavailable":
      return fault.code === "DRAINING" ? "draining" : "busy";
    case "bug":
      return "bug";
    default:
      if (fault.code === "VERSION_UNSUPPORTED" || fault.code.startsWith("FRAME_")) return "protocol";
      return fault.code === "LINK_LATE" ? "late" : "refused";
  }
}

function comeBack(random: Random): string {
  return `retry-after: ${crowdHintS(random)}\r\n`;
}

function crowdHintS(random: Random): number {
  return 1 + Math.floor(random() * crowdSpreadS);
}
