// Peers that the tests play themselves, over real TLS and real handshakes. RawAgent dials a relay with the keys of a site that has joined; FakeRelay listens where a
// relay was, with that relay's keys. After the handshake either says whatever octets the test wants.
import { createServer, type Server } from "node:https";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { openRelaySocket } from "../../agent/dial.ts";
import { openAgentFolder, recordOf, type AgentFolder, type RelayRecord } from "../../agent/folder.ts";
import { noProxySettings } from "../../shared/kit/dial.ts";
import { readSecretFile, signingKeysOf } from "../../shared/kit/keys.ts";
import { FrameSocket } from "../../shared/link/frame-socket.ts";
import { agentHandshake, relayHandshake, type Claim, type RelayHandshake } from "../../shared/link/handshake.ts";
import type { AgentHello, Welcome } from "../../shared/link/handshake-parts.ts";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { messageBytesMax } from "../../shared/wire/limits.ts";
import { parseBye } from "../../shared/wire/message.ts";
import type { Place } from "./place.ts";

export interface ByeSaid {
  readonly code: string;
  /** First line of the reason: the Fault code. */
  readonly fault: string;
  readonly reason: string;
  readonly afterMs: number;
}

/** The other end's BYE after `send`; rejects when the socket ends without one. Other frames on the way are passed over. */
export async function byeAfter(socket: FrameSocket, send: () => void): Promise<ByeSaid> {
  const begunMs = performance.now();
  const said = new Promise<ByeSaid>((resolve, reject) => {
    socket.attach((message) => {
      for (const frame of decodeFrames(message)) {
        if (frame.type !== "BYE") continue;
        const { code, reason } = parseBye(frame.payload);
        resolve({ code, fault: reason.split("\n")[0]!, reason, afterMs: performance.now() - begunMs });
      }
    });
    void socket.ended.then(({ closeCode }) => reject(new Error(`the socket ended with ${closeCode} and without a BYE`)));
  });
  send();
  return said;
}

/** A site whose agent does not run: its keys and its numbers, for links of the test's own making. */
export class RawAgent {
  readonly #folder: AgentFolder;
  readonly #relay: RelayRecord;
  readonly boot: string;

  private constructor(folder: AgentFolder, relay: RelayRecord, boot: string) {
    this.#folder = folder;
    this.#relay = relay;
    this.boot = boot;
  }

  static async open(place: Place, name: string, boot = `raw-${name}`): Promise<RawAgent> {
    const folder = await openAgentFolder(place.agentData(name));
    const relay = recordOf<RelayRecord>(await folder.store.call("allFacts", null), "relay");
    return new RawAgent(folder, relay!, boot);
  }

  /** A socket after TLS and the WebSocket upgrade, before the handshake. */
  dial(): Promise<FrameSocket> {
    return openRelaySocket({ relay: this.#relay, proxy: noProxySettings, signal: new AbortController().signal });
  }

  get relayKeys(): readonly string[] {
    return this.#relay.identity;
  }

  get hello(): AgentHello {
    return { agentEpoch: this.#folder.agentEpoch, relayEpoch: 0, trustVersion: 1, version: "raw", freeOctets: 0, startCredit: 65_536, letterCredit: { letters: 4, octets: 65_536 }, inDoubt: [], outbox: 0 };
  }

  /** A link in state `linked`. */
  async link(options: { readonly boot?: string; readonly dial?: number } = {}): Promise<{ readonly socket: FrameSocket; readonly welcome: Welcome; readonly fence: number }> {
    const dial = options.dial ?? (await this.#folder.store.call("draw", { name: "dial" }));
    const socket = await this.dial();
    try {
      const shaken = await agentHandshake(socket, { purpose: "link", relayKeys: this.#relay.identity, boot: options.boot ?? this.boot, dial, keys: this.#folder.keys.sign, site: this.#folder.siteId, hello: this.hello });
      return { socket, ...shaken };
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#folder.store.close();
  }
}

/** What a fake relay does with one agent's link. */
export type Act = (socket: FrameSocket, claim: Claim) => void | Promise<void>;

/** Stands where the relay of a place stood: same port, certificate, identity key. */
export class FakeRelay {
  /** Links that came, in order, with the time of each. */
  readonly links: { readonly claim: Claim; readonly atMs: number }[] = [];
  upgrades = 0;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `beforeHandshake` takes the socket instead of a handshake when it answers true. */
  static async start(place: Place, welcome: Partial<Welcome>, act: Act, beforeHandshake: (socket: FrameSocket) => boolean = () => false): Promise<FakeRelay> {
    const file = (name: string): string => readFileSync(join(place.relayData, "tls", name), "utf8");
    const fake = new FakeRelay(createServer({ cert: file("tls.crt") + file("ca.crt"), key: file("tls.key"), minVersion: "TLSv1.3" }));
    const identity = signingKeysOf(Buffer.from(readSecretFile(join(place.relayData, "identity.key"))["identity"]!, "base64url"));
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: messageBytesMax, handleProtocols: () => "bowline.1" });
    let fence = 1_000_000;
    const handshake: RelayHandshake = {
      identity,
      nowMs: () => Date.now(),
      drawFence: async () => (fence += 1),
      admit: async () => ({ state: "linked", name: "fake", relayEpoch: 1, startCredit: 65_536, letterCredit: { letters: 4, octets: 65_536 }, trust: [], siteStatement: null, inDoubt: [], held: [], ...welcome }),
    };
    fake.#server.on("upgrade", (request, raw: TLSSocket, ahead) => {
      fake.#sockets.add(raw);
      raw.on("error", () => raw.destroy());
      raw.once("close", () => fake.#sockets.delete(raw));
      sockets.handleUpgrade(request, raw, ahead, (ws) => {
        fake.upgrades += 1;
        const socket = new FrameSocket(ws, raw, "relay", "exporter");
        if (beforeHandshake(socket)) return;
        relayHandshake(socket, handshake).then(
          ({ claim }) => {
            fake.links.push({ claim, atMs: performance.now() });
            return act(socket, claim);
          },
          () => socket.close(),
        );
      });
    });
    await new Promise<void>((resolve) => fake.#server.listen(Number(new URL(place.relayUrl).port), "127.0.0.1", resolve));
    return fake;
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
