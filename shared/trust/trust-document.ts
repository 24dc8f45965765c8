// The trust document: whose keys may order what at a site (design: trust section 3, a cut-down TUF). A site pins the hash of version 1 when it joins
// and walks from version to version, each signed by the thresholds of both. Travels as an envelope of type `trust`, audience "*".
import { Fault } from "../kit/errors.ts";
import { keyId, parseKey, sha256, type KeyPair } from "../kit/keys.ts";
import { openEnvelope, parseHeader, sealEnvelope, type EnvelopeHeader } from "./envelope.ts";

export const ROLES = ["root", "enrol", "operator", "revoke", "beacon"] as const;
export type RoleName = (typeof ROLES)[number];

export interface Role {
  readonly threshold: number;
  readonly keys: readonly string[];
}

export interface TrustDocument {
  readonly version: number;
  /** Ms since 1970, at most 90 days after it was made. */
  readonly expires: number;
  readonly roles: Readonly<Record<RoleName, Role>>;
}

export const trustDaysMax = 90;
const dayMs = 86_400_000;
export const TRUST_AUDIENCE = "*";

/** Version 1 of `relay init`: one root key, and the relay's command key as operator and for enrolment (setting `relayed`). */
export function firstTrustDocument(root: KeyPair, commandKey: string, nowMs: number): TrustDocument {
  const one = (key: string): Role => ({ threshold: 1, keys: [key] });
  return { version: 1, expires: nowMs + trustDaysMax * dayMs, roles: { root: one(root.publicKey), enrol: one(commandKey), operator: one(commandKey), revoke: one(commandKey), beacon: one(commandKey) } };
}

/** The same keys for another 90 days: the relay renews at half life, so that nobody's sites stop for want of a signature. */
export function renewedTrustDocument(before: TrustDocument, nowMs: number): TrustDocument {
  return { ...before, version: before.version + 1, expires: nowMs + trustDaysMax * dayMs };
}

export function sealTrustDocument(document: TrustDocument, signers: readonly KeyPair[], nowMs: number): Buffer {
  const body = Buffer.from(JSON.stringify(document));
  return sealEnvelope({ typ: "trust", aud: TRUST_AUDIENCE, epoch: 0, seq: document.version, prev: "", cid: `trust-${document.version}`, iat: nowMs, nbf: 0, exp: 0, cls: "admin" }, body, signers);
}

/** Hash of version 1's envelope body: what a join token carries. */
export function trustRootHash(document: TrustDocument): string {
  return sha256(JSON.stringify(document)).toString("hex");
}

function refuse(why: string): Fault {
  return new Fault("TRUST_REFUSED", { what: "a trust document is not acceptable", why });
}

export function parseTrustDocument(body: Uint8Array): TrustDocument {
  let value: TrustDocument;
  const text = Buffer.from(body).toString("utf8");
  try {
    value = JSON.parse(text) as TrustDocument;
  } catch {
    throw refuse("it is not JSON");
  }
  if (typeof value !== "object" || value === null || JSON.stringify(value) !== text) throw refuse("it is not in the one form that is allowed");
  if (!Number.isSafeInteger(value.version) || value.version < 1) throw refuse("it has no version");
  if (!Number.isSafeInteger(value.expires)) throw refuse("it has no expiry");
  if (typeof value.roles !== "object" || value.roles === null) throw refuse("it has no roles");
  for (const name of ROLES) requireRole(name, value.roles[name]);
  return value;
}

function requireRole(name: string, role: Role | null | undefined): void {
  if (role === undefined || role === null || !Number.isSafeInteger(role.threshold) || !Array.isArray(role.keys)) throw refuse(`it has no role ${name}`);
  if (role.threshold < 1) throw refuse(`the role ${name} has the threshold ${role.threshold}`);
  if (new Set(role.keys).size !== role.keys.length) throw refuse(`the role ${name} lists a key twice`);
  if (role.threshold > role.keys.length) throw refuse(`the role ${name} wants ${role.threshold} of ${role.keys.length} keys`);
  for (const key of role.keys) parseKey("ed25519", key);
}

/** The document in an envelope that our own store vouches for: no signature is checked. */
export function storedTrustDocument(envelope: Uint8Array): TrustDocument {
  return parseTrustDocument(bodyOf(envelope));
}

/** The first document a site accepts: its body must have the pinned hash, and its own root must have signed it. */
export function acceptFirst(envelope: Uint8Array, pinnedHash: string): TrustDocument {
  const document = openDocument(envelope, null);
  if (document.version !== 1) throw refuse(`the first one must have version 1, this is ${document.version}`);
  if (trustRootHash(document) !== pinnedHash) throw refuse("it is not the one that the join token names");
  return document;
}

/** Version N+1 after N, signed by the root thresholds of both. */
export function acceptNext(envelope: Uint8Array, before: TrustDocument): TrustDocument {
  const document = openDocument(envelope, before);
  if (document.version !== before.version + 1) throw refuse(`version ${document.version} does not follow ${before.version}`);
  return document;
}

/** Walks a chain; expiry is judged by the caller at its end. */
export function walkTrust(envelopes: readonly Uint8Array[], from: { readonly pinnedHash: string; readonly document: TrustDocument | null }): TrustDocument | null {
  let document = from.document;
  for (const envelope of envelopes) document = document === null ? acceptFirst(envelope, from.pinnedHash) : acceptNext(envelope, document);
  return document;
}

function openDocument(envelope: Uint8Array, before: TrustDocument | null): TrustDocument {
  // The keys that judge a document are inside it (and in the one before): they are read to find candidates and believed only once the
  // signatures of both thresholds hold over it.
  const document = parseTrustDocument(bodyOf(envelope));
  const roots = before === null ? [document.roles.root] : [document.roles.root, before.roles.root];
  const candidates = new Map(roots.flatMap((role) => role.keys).map((key) => [Buffer.from(keyId(key)).toString("hex"), key]));
  const opened = openEnvelope(envelope, {
    keysById: (kid) => candidates.get(kid) ?? null,
    rule: (header) => requireTrustHeader(header, [...candidates.values()]),
    audience: { site: TRUST_AUDIENCE, epoch: 0 },
    time: null,
    isSeen: () => false,
  });
  for (const role of roots) {
    const count = opened.signers.filter((signer) => role.keys.includes(signer)).length;
    if (count < role.threshold) throw refuse(`${role.threshold} of a version's root keys must sign, ${count} did`);
  }
  if (opened.header.seq !== document.version) throw refuse("its header names another version");
  return document;
}

function requireTrustHeader(header: EnvelopeHeader, keys: readonly string[]): { keys: readonly string[]; threshold: number } {
  if (header.typ !== "trust") throw refuse(`it is a ${header.typ}`);
  return { keys, threshold: 1 };
}

function bodyOf(envelope: Uint8Array): Buffer {
  const all = Buffer.from(envelope.buffer, envelope.byteOffset, envelope.byteLength);
  const at = 5 + (all[4] ?? 0) * 80;
  if (all.length < at + 4) throw refuse("it is cut short");
  const headerLength = all.readUInt32BE(at);
  const bodyAt = at + 4 + headerLength + 4;
  if (headerLength > 4_096 || all.length < bodyAt) throw refuse("it is cut short");
  parseHeader(all.subarray(at + 4, at + 4 + headerLength));
  return all.subarray(bodyAt);
}

/** Hex key ids to keys of every role: for envelopes judged under this document. */
export function keysOf(document: TrustDocument): Map<string, string> {
  const keys = ROLES.flatMap((name) => [...document.roles[name].keys]);
  return new Map(keys.map((key) => [Buffer.from(keyId(key)).toString("hex"), key]));
}

/** Who may sign a type and class. In `relayed` the relay's command key counts once, so `admin` needs it alone until operators' keys are listed. */
export function ruleFor(document: TrustDocument, header: EnvelopeHeader): Role {
  switch (header.typ) {
    case "site":
      return document.roles.enrol;
    case "revoke":
      return document.roles.revoke;
    case "beacon":
      return document.roles.beacon;
    case "command":
    case "cancel":
    case "desired":
    case "grant": {
      const { operator } = document.roles;
      return header.cls === "admin" && operator.keys.length > 1 ? { keys: operator.keys, threshold: Math.max(2, operator.threshold) } : operator;
    }
    default:
      throw new Fault("ENVELOPE_KEY", { what: `a ${header.typ} is not for a site to take`, why: "the trust document gives no role for it" });
  }
}
