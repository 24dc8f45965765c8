// The four frames of a handshake as both ends really make them, with nonces that are known: the product's own agentHandshake and relayHandshake joined in
// memory. The caller has replaced the source of nonces.
import { agentHandshake, relayHandshake, type AgentHandshake, type Claim, type HandshakePort } from "../../shared/link/handshake.ts";
import type { AgentHello, Welcome } from "../../shared/link/handshake-parts.ts";
import type { FrameTypeName } from "../../shared/wire/frame.ts";
import { agentKeys, joinToken, nowMs, relayIdentity, site, tokenSecret } from "./trust-vectors.ts";

export const exporter = new Uint8Array(32).fill(0xee);
export const fence = 77;

const hello: AgentHello = {
  agentEpoch: "e-1",
  relayEpoch: 1,
  trustVersion: 1,
  startCredit: 65_536,
  letterCredit: { letters: 128, octets: 8_388_608 },
  inDoubt: ["claim-1"],
  version: "0.1.0",
  freeOctets: 1_073_741_824,
  outbox: 2,
};
const welcome: Welcome = {
  state: "linked",
  name: "plant-07",
  relayEpoch: 1,
  startCredit: 65_536,
  letterCredit: { letters: 128, octets: 8_388_608 },
  trust: [Uint8Array.of(1, 2, 3)],
  siteStatement: Uint8Array.of(4, 5, 6),
  inDoubt: ["0198c0de-0000-7000-8000-000000000001"],
  held: ["claim-1"],
};

const linkOptions: AgentHandshake = { purpose: "link", relayKeys: [relayIdentity.publicKey], boot: "b-1", dial: 9, keys: agentKeys, site, hello };
const joinOptions: AgentHandshake = {
  purpose: "join",
  relayKeys: [relayIdentity.publicKey],
  boot: "b-1",
  dial: 1,
  keys: agentKeys,
  join: {
    token: joinToken.id,
    signKey: agentKeys.publicKey,
    boxKey: "x25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAk",
    name: "plant-07",
    labels: { region: "north" },
    secret: tokenSecret,
  },
};

export interface Handshake {
  readonly frames: ReadonlyMap<FrameTypeName, Uint8Array>;
  readonly claim: Claim;
  readonly isSigned: boolean;
  readonly isProven: boolean;
}

/** Two ports that hand frames to each other and keep what crossed. */
function portPair(frames: Map<FrameTypeName, Uint8Array>): [HandshakePort, HandshakePort] {
  const waiting = new Map<FrameTypeName, (payload: Uint8Array) => void>();
  const port = (): HandshakePort => ({
    exporter,
    send(type, payload) {
      frames.set(type, Uint8Array.from(payload));
      waiting.get(type)?.(payload);
    },
    next: (type) => (frames.has(type) ? Promise.resolve(frames.get(type)!) : new Promise((resolve) => void waiting.set(type, resolve))),
  });
  return [port(), port()];
}

export async function runHandshake(purpose: "link" | "join"): Promise<Handshake> {
  const frames = new Map<FrameTypeName, Uint8Array>();
  const [agentPort, relayPort] = portPair(frames);
  const admit = (): Promise<Welcome> =>
    Promise.resolve(purpose === "link" ? welcome : { ...welcome, state: "waiting", trust: [], siteStatement: null, inDoubt: [], held: [] });
  const [, relay] = await Promise.all([
    agentHandshake(agentPort, purpose === "link" ? linkOptions : joinOptions),
    relayHandshake(relayPort, { identity: relayIdentity, nowMs: () => nowMs, drawFence: () => Promise.resolve(fence), admit }),
  ]);
  const { claim } = relay;
  return { frames, claim, isSigned: claim.isSignedBy(agentKeys.publicKey), isProven: claim.isProvenBy(tokenSecret) };
}
