// What travels inside letters and tokens, from fixed keys and times: an envelope, a letter around it, a trust document, a site statement, a join token.
// Ed25519 signs deterministically, so the same key and octets give the same signature for ever.
import { signingKeysOf, siteIdOf } from "../../shared/kit/keys.ts";
import { encodeLetter, parseLetterOctets, type LetterHead } from "../../shared/outbox/letter.ts";
import { openEnvelope, sealEnvelope, type HeaderParts } from "../../shared/trust/envelope.ts";
import { joinTokenText, parseJoinToken, type JoinToken } from "../../shared/trust/join-token.ts";
import { openSiteStatement, sealSiteStatement, type SiteStatement } from "../../shared/trust/site-statement.ts";
import { acceptFirst, acceptNext, firstTrustDocument, renewedTrustDocument, sealTrustDocument, trustRootHash } from "../../shared/trust/trust-document.ts";
import type { TwoWayVector } from "./frame-vectors.ts";

/** A key that anybody knows: 32 octets of one value. */
const keysOf = (octet: number): ReturnType<typeof signingKeysOf> => signingKeysOf(new Uint8Array(32).fill(octet));
export const relayIdentity = keysOf(1);
const relayCommand = keysOf(2);
const trustRoot = keysOf(3);
export const agentKeys = keysOf(4);
export const nowMs = Date.parse("2026-01-02T03:04:05.678Z");
export const site = siteIdOf(agentKeys.publicKey);

const body = Buffer.from(JSON.stringify({ operator: "ann", tier: "admin", spec: { kind: "apply", objects: [], forceConflicts: false } }));
const parts: HeaderParts = {
  typ: "command",
  aud: site,
  epoch: 1,
  seq: 42,
  prev: "",
  cid: "0198c0de-0000-7000-8000-000000000001",
  iat: nowMs,
  nbf: 0,
  exp: nowMs + 86_400_000,
  cls: "write",
};
const envelope = sealEnvelope(parts, body, [relayCommand]);

function opened(octets: Uint8Array): unknown {
  const {
    header,
    body: inside,
    signers,
  } = openEnvelope(octets, {
    keysById: () => relayCommand.publicKey,
    rule: () => ({ keys: [relayCommand.publicKey], threshold: 1 }),
    audience: { site, epoch: 1 },
    time: { nowMs, errorMs: 0 },
    isSeen: () => false,
  });
  return { cid: header.cid, seq: header.seq, body: inside.toString("utf8"), signers };
}

const letterHead: LetterHead = { id: parts.cid, lane: "deploy", kind: "command", order: 7, after: "0198c0de-0000-7000-8000-000000000000" };
const first = firstTrustDocument(trustRoot, relayCommand.publicKey, nowMs);
const second = renewedTrustDocument(first, nowMs + 45 * 86_400_000);
const statement: SiteStatement = {
  site,
  version: 1,
  name: "plant-07",
  signKey: agentKeys.publicKey,
  boxKey: "x25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAk",
  tier: "admin",
  setting: "relayed",
  epoch: 1,
  labels: { region: "north" },
};

export const tokenSecret = new Uint8Array(32).fill(5);
export const joinToken: JoinToken = {
  urls: ["https://relay.example.com:8443"],
  identity: [relayIdentity.publicKey],
  tls: { kind: "pin", pins: ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"] },
  trustRoot: trustRootHash(first),
  id: "t-1",
  secret: Buffer.from(tokenSecret).toString("base64url"),
  name: "plant-07",
  labels: { region: "north" },
  tier: "admin",
  setting: "relayed",
  binding: "exporter",
  expires: nowMs + 3_600_000,
  uses: 1,
};

export const trustVectors: readonly TwoWayVector[] = [
  {
    name: "envelope",
    says: "an apply for one site, signed by the relay's command key",
    octets: envelope,
    value: { cid: parts.cid, seq: 42, body: body.toString("utf8"), signers: [relayCommand.publicKey] },
    parse: opened,
  },
  {
    name: "letter",
    says: "that envelope in the lane deploy, behind another command",
    octets: encodeLetter(letterHead, envelope),
    value: { head: letterHead, envelope: Buffer.from(envelope) },
    parse: (octets) => {
      const { head, envelope: inside } = parseLetterOctets(octets);
      return { head, envelope: Buffer.from(inside) };
    },
  },
  {
    name: "trust-document-1",
    says: "what `relay init` writes, signed by its root key",
    octets: sealTrustDocument(first, [trustRoot], nowMs),
    value: first,
    parse: (octets) => acceptFirst(octets, trustRootHash(first)),
  },
  {
    name: "trust-document-2",
    says: "the same keys for another 90 days",
    octets: sealTrustDocument(second, [trustRoot], nowMs + 45 * 86_400_000),
    value: second,
    parse: (octets) => acceptNext(octets, first),
  },
  {
    name: "site-statement",
    says: "who the site is, signed by the enrol role",
    octets: sealSiteStatement(statement, relayCommand, 1, nowMs),
    value: statement,
    parse: (octets) => openSiteStatement(octets, first, { site, signKey: agentKeys.publicKey }),
  },
  {
    name: "join-token",
    says: "the text that an installer is given, as ASCII",
    octets: Buffer.from(joinTokenText(joinToken), "latin1"),
    value: joinToken,
    parse: (octets) => parseJoinToken(Buffer.from(octets).toString("latin1")),
  },
];
