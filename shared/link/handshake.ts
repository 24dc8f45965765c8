// The four-frame handshake (PROTOCOL.md section 2), both ends: each proves its key over both nonces, the TLS exporter, the fence and every
// earlier frame; the relay proves first, so nothing that names the site or the token leaves an agent before the relay is known.
// Refuses whatever is not of the documented form with HANDSHAKE_REFUSED. Callers: agent/dial, relay/agents/accept.
import { randomBytes } from "node:crypto";
import { constantTimeEqual, signBytes, verifyBytes } from "../kit/keys.ts";
import { Fault } from "../kit/errors.ts";
import type { FrameTypeName } from "../wire/frame.ts";
import {
  CLAIM_CONTEXT,
  PROOF_CONTEXT,
  decodeHandshake,
  encodeHandshake,
  joinHmac,
  hmacBytes,
  member,
  nonceBytes,
  signatureBytes,
  signedOctets,
  type HandshakeFrame,
  type Transcript,
} from "./handshake-frames.ts";
import { agentHello, claimJson, parseJoinClaim, parseWelcome, welcomeJson, type AgentHello, type JoinClaim, type Welcome } from "./handshake-parts.ts";

export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** What the handshake needs of a socket: one frame out, one frame in. `next` rejects when the peer says BYE, sends another type, or ends. */
export interface HandshakePort {
  /** 32 octets of the TLS exporter, or zeros with `binding: none`. */
  readonly exporter: Uint8Array;
  send(type: FrameTypeName, payload: Uint8Array): void;
  next(type: FrameTypeName): Promise<Uint8Array>;
}

export interface SigningPair {
  /** Wire form, `ed25519:...`. */
  readonly publicKey: string;
  readonly secretKey: Uint8Array;
}

export interface AgentHandshake {
  readonly purpose: "link" | "join";
  /** Identity keys that the relay may prove, wire form. */
  readonly relayKeys: readonly string[];
  readonly boot: string;
  readonly dial: number;
  readonly keys: SigningPair;
  /** Purpose `link`. */
  readonly site?: string;
  readonly hello?: AgentHello;
  /** Purpose `join`; `secret` is the token's and never leaves. */
  readonly join?: JoinClaim & { readonly secret: Uint8Array };
}

export interface AgentHandshakeResult {
  readonly welcome: Welcome;
  readonly fence: number;
  /** The relay's wall clock when it sent PROOF, ms since 1970. */
  readonly relayTimeMs: number;
}

/** The agent's side. Faults: RELAY_KEY_WRONG, VERSION_UNSUPPORTED, HANDSHAKE_REFUSED, and what the port rejects with. */
export async function agentHandshake(port: HandshakePort, options: AgentHandshake): Promise<AgentHandshakeResult> {
  const nonceAgent = randomBytes(nonceBytes);
  const hello = encodeHandshake({ versions: PROTOCOL_VERSIONS, nonce: nonceAgent.toString("base64url"), purpose: options.purpose });
  port.send("HELLO", hello);

  const proofPayload = await port.next("PROOF");
  const proof = decodeHandshake(proofPayload, [signatureBytes]);
  const version = member.integer(proof.json, "version");
  if (!PROTOCOL_VERSIONS.includes(version)) throw new Fault("VERSION_UNSUPPORTED", { what: `the relay chose protocol version ${version}`, why: `this agent speaks ${PROTOCOL_VERSIONS.join(", ")}` });
  const identity = member.string(proof.json, "identity");
  const transcript: Transcript = {
    nonceAgent,
    nonceRelay: member.octets(proof.json, "nonce", nonceBytes),
    exporter: port.exporter,
    fence: member.integer(proof.json, "fence"),
    earlier: [hello],
  };
  requireRelayKey(options.relayKeys, identity, signedOctets(PROOF_CONTEXT, transcript, proof.jsonBytes), proof.proof);

  const claimTranscript: Transcript = { ...transcript, earlier: [hello, proofPayload] };
  port.send(
    "CLAIM",
    encodeHandshake(claimJson(options), (jsonBytes) => {
      const signature = signBytes(options.keys.secretKey, signedOctets(CLAIM_CONTEXT, claimTranscript, jsonBytes));
      return options.join ? Buffer.concat([signature, joinHmac(options.join.secret, claimTranscript, jsonBytes)]) : signature;
    }),
  );
  const welcome = decodeHandshake(await port.next("WELCOME"), [0]);
  return { welcome: parseWelcome(welcome.json), fence: transcript.fence, relayTimeMs: member.integer(proof.json, "timeMs") };
}

function requireRelayKey(trusted: readonly string[], identity: string, octets: Uint8Array, signature: Uint8Array): void {
  if (!trusted.includes(identity)) {
    throw new Fault("RELAY_KEY_WRONG", {
      what: "the relay shows an identity key that this site does not trust",
      why: `it shows ${identity}, trusted: ${trusted.join(", ")}; nothing that names the site or its token was sent`,
      hint: "check that the address is your relay's; if the relay was set up anew, make a new join token there",
    });
  }
  if (!verifyBytes(identity, octets, signature)) {
    throw new Fault("RELAY_KEY_WRONG", {
      what: "the relay could not prove its identity key",
      why: "the signature does not cover this very TLS connection: something between agent and relay ends TLS, or answers in the relay's name",
      hint: "if a load balancer ends TLS in front of the relay, make the join token with --binding none",
    });
  }
}

export interface Claim {
  readonly purpose: "link" | "join";
  readonly boot: string;
  readonly dial: number;
  readonly site: string | null;
  readonly hello: AgentHello | null;
  readonly join: JoinClaim | null;
  readonly fence: number;
  /** True when the claim was signed by this key (wire form). */
  isSignedBy(publicKey: string): boolean;
  /** True when the claim's HMAC is by this token secret. */
  isProvenBy(secret: Uint8Array): boolean;
}

export interface RelayHandshake {
  readonly identity: SigningPair;
  readonly nowMs: () => number;
  readonly drawFence: () => Promise<number>;
  /** Judges the claim (must call isSignedBy, and isProvenBy for a join) and answers; a Fault refuses with BYE. */
  readonly admit: (claim: Claim) => Promise<Welcome>;
}

/** The relay's side: resolves with the claim that was admitted and the welcome that was sent. */
export async function relayHandshake(port: HandshakePort, options: RelayHandshake): Promise<{ claim: Claim; welcome: Welcome }> {
  const helloPayload = await port.next("HELLO");
  const hello = decodeHandshake(helloPayload, [0]);
  const offered = hello.json["versions"];
  const version = Math.max(...PROTOCOL_VERSIONS.filter((known) => Array.isArray(offered) && offered.includes(known)));
  if (!Number.isFinite(version)) throw new Fault("VERSION_UNSUPPORTED", { what: "the agent speaks no protocol version of this relay's", why: `this relay speaks ${PROTOCOL_VERSIONS.join(", ")}` });
  const purpose = member.string(hello.json, "purpose");
  if (purpose !== "link" && purpose !== "join") throw new Fault("HANDSHAKE_REFUSED", { what: "the link handshake was refused", why: `"purpose" is neither link nor join` });

  const nonceRelay = randomBytes(nonceBytes);
  const fence = await options.drawFence();
  const transcript: Transcript = { nonceAgent: member.octets(hello.json, "nonce", nonceBytes), nonceRelay, exporter: port.exporter, fence, earlier: [helloPayload] };
  const proofPayload = encodeHandshake(
    { version, nonce: nonceRelay.toString("base64url"), fence, timeMs: Math.floor(options.nowMs()), identity: options.identity.publicKey },
    (jsonBytes) => signBytes(options.identity.secretKey, signedOctets(PROOF_CONTEXT, transcript, jsonBytes)),
  );
  port.send("PROOF", proofPayload);

  const claimFrame = decodeHandshake(await port.next("CLAIM"), purpose === "join" ? [signatureBytes + hmacBytes] : [signatureBytes]);
  const claim = readClaim(claimFrame, purpose, { ...transcript, earlier: [helloPayload, proofPayload] });
  const welcome = await options.admit(claim);
  port.send("WELCOME", encodeHandshake(welcomeJson(welcome)));
  return { claim, welcome };
}

function readClaim(frame: HandshakeFrame, purpose: "link" | "join", transcript: Transcript): Claim {
  const { json, jsonBytes, proof } = frame;
  return {
    purpose,
    fence: transcript.fence,
    boot: member.string(json, "boot", 64),
    dial: member.integer(json, "dial"),
    site: purpose === "link" ? member.string(json, "site", 64) : null,
    hello: purpose === "link" ? agentHello(member.object(json, "hello")) : null,
    join: purpose === "join" ? parseJoinClaim(member.object(json, "join")) : null,
    isSignedBy: (publicKey) => verifyBytes(publicKey, signedOctets(CLAIM_CONTEXT, transcript, jsonBytes), proof.subarray(0, signatureBytes)),
    isProvenBy: (secret) => constantTimeEqual(joinHmac(secret, transcript, jsonBytes), proof.subarray(signatureBytes)),
  };
}
