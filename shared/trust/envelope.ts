// The signed envelope around every command, statement and result (design: trust section 2). Verify first, parse afterwards: the signature covers
// the header's octets as received, and nothing of it is read before. Refuses every second way to write the same thing.
//
//   "BWE1" | nsig u8 (1..8) | nsig x ( kid[16] | sig[64] ) | hdrLen u32be (<= 4096) | hdr | bodyLen u32be (<= 4 MiB) | body
//   signed octets = "bowline/envelope/v1\0" | hdrLen u32be | hdr
import { Fault } from "../kit/errors.ts";
import { constantTimeEqual, keyId, sha256, signBytes, verifyBytes, type KeyPair } from "../kit/keys.ts";

export const envelopeHeaderBytesMax = 4_096;
export const envelopeBodyBytesMax = 4 * 1_048_576;
const signaturesMax = 8;
const MAGIC = Buffer.from("BWE1");
const CONTEXT = Buffer.from("bowline/envelope/v1\0");
const kidBytes = 16;
const signatureBytes = 64;

export const ENVELOPE_TYPES = ["command", "cancel", "desired", "grant", "site", "trust", "revoke", "beacon", "result", "report", "audit"] as const;
export type EnvelopeType = (typeof ENVELOPE_TYPES)[number];
export type CommandClass = "read" | "write" | "admin";

/** Fixed order of keys; integers only; texts where named. */
export interface EnvelopeHeader {
  readonly v: 1;
  readonly typ: EnvelopeType;
  readonly enc: "none" | "box1";
  /** Site id. */
  readonly aud: string;
  /** The site's key epoch. */
  readonly epoch: number;
  /** Hex of the first signer's key id. */
  readonly kid: string;
  /** Rising per (key, site, epoch). */
  readonly seq: number;
  /** This signer sends no number up to here any more: what the receiver remembers of them can go. Below `seq`; 0 says nothing. */
  readonly floor: number;
  /** Hex SHA-256 of this signer's header before, or "". Evidence, never a condition. */
  readonly prev: string;
  /** Command id, or the id of what this is about. */
  readonly cid: string;
  /** Ms since 1970. `exp` is the deadline to start; 0 for what has a version instead. */
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly cls: CommandClass;
  readonly len: number;
  /** Hex SHA-256 of the body. */
  readonly sha256: string;
}

const TEXT_KEYS = ["typ", "enc", "aud", "kid", "prev", "cid", "cls", "sha256"] as const;
const NUMBER_KEYS = ["v", "epoch", "seq", "floor", "iat", "nbf", "exp", "len"] as const;
const KEY_ORDER = ["v", "typ", "enc", "aud", "epoch", "kid", "seq", "floor", "prev", "cid", "iat", "nbf", "exp", "cls", "len", "sha256"] as const;

export type HeaderParts = Omit<EnvelopeHeader, "v" | "enc" | "kid" | "floor" | "len" | "sha256"> & { readonly floor?: number };

/** The header's octets: what is signed, and what the next header's `prev` is the hash of. */
export function headerBytes(parts: HeaderParts, kid: string, body: { readonly len: number; readonly sha256: string }): Buffer {
  const all: Record<string, unknown> = { v: 1, enc: "none", floor: 0, ...parts, kid, ...body };
  return Buffer.from(JSON.stringify(Object.fromEntries(KEY_ORDER.map((key) => [key, all[key]]))));
}

/** Hex id of a key as headers carry it. */
export function kidOf(publicKey: string): string {
  return Buffer.from(keyId(publicKey)).toString("hex");
}

/** Signs; the first signer owns `seq`, `floor` and `prev`. */
export function sealEnvelope(parts: HeaderParts, body: Uint8Array, signers: readonly KeyPair[]): Buffer {
  const header = headerBytes(parts, kidOf(signers[0]!.publicKey), { len: body.length, sha256: sha256(body).toString("hex") });
  if (header.length > envelopeHeaderBytesMax || body.length > envelopeBodyBytesMax) {
    throw new Fault("BODY_TOO_LARGE", { what: `an envelope's body has ${body.length} octets`, why: `at most ${envelopeBodyBytesMax} fit`, hint: "split it into several commands" });
  }
  const octets = signedOctets(header);
  const signatures = signers.flatMap((signer) => [keyId(signer.publicKey), signBytes(signer.secretKey, octets)]);
  return Buffer.concat([MAGIC, Buffer.from([signers.length]), ...signatures, u32(header.length), header, u32(body.length), body]);
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function signedOctets(header: Uint8Array): Buffer {
  return Buffer.concat([CONTEXT, u32(header.length), header]);
}

interface Frame {
  readonly signatures: readonly { readonly kid: string; readonly signature: Buffer }[];
  readonly header: Buffer;
  readonly body: Buffer;
}

function malformed(why: string): Fault {
  return new Fault("ENVELOPE_MALFORMED", { what: "an envelope is not of the documented form", why });
}

/** Cuts the frame by its sizes; looks into nothing. */
function cut(bytes: Uint8Array): Frame {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (all.length < 5 || !all.subarray(0, 4).equals(MAGIC)) throw malformed("it does not begin with BWE1");
  const count = all[4]!;
  if (count < 1 || count > signaturesMax) throw malformed(`it has ${count} signatures, 1 to ${signaturesMax} are allowed`);
  let at = 5 + count * (kidBytes + signatureBytes);
  if (all.length < at + 4) throw malformed("it ends inside its signatures");
  const signatures = Array.from({ length: count }, (_value, index) => {
    const from = 5 + index * (kidBytes + signatureBytes);
    return { kid: all.toString("hex", from, from + kidBytes), signature: all.subarray(from + kidBytes, from + kidBytes + signatureBytes) };
  });
  const headerLength = all.readUInt32BE(at);
  if (headerLength > envelopeHeaderBytesMax) throw malformed(`its header has ${headerLength} octets, at most ${envelopeHeaderBytesMax} are allowed`);
  if (all.length < at + 4 + headerLength + 4) throw malformed("it ends inside its header");
  const header = all.subarray(at + 4, at + 4 + headerLength);
  at += 4 + headerLength;
  const bodyLength = all.readUInt32BE(at);
  if (bodyLength > envelopeBodyBytesMax) throw malformed(`its body has ${bodyLength} octets, at most ${envelopeBodyBytesMax} are allowed`);
  if (all.length !== at + 4 + bodyLength) throw malformed("its length is not the one it says");
  return { signatures, header, body: all.subarray(at + 4) };
}

/** Octets that look like one, before any trust: for telling people apart from strangers in errors. Never acted on. */
export function parseHeader(header: Uint8Array): EnvelopeHeader {
  const text = Buffer.from(header).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("its header is not JSON");
  }
  if (typeof value !== "object" || value === null || JSON.stringify(value) !== text) throw malformed("its header is not in the one form that is allowed");
  const record = value as Record<string, unknown>;
  if (JSON.stringify(Object.keys(record)) !== JSON.stringify(KEY_ORDER)) throw malformed("its header has other fields, or another order");
  for (const key of NUMBER_KEYS) if (!Number.isSafeInteger(record[key]) || (record[key] as number) < 0) throw malformed(`"${key}" is not a whole number`);
  for (const key of TEXT_KEYS) if (typeof record[key] !== "string" || (record[key] as string).length > 256) throw malformed(`"${key}" is not a text`);
  if ((record["floor"] as number) > 0 && (record["floor"] as number) >= (record["seq"] as number)) throw malformed("its floor is not below its own number");
  if (record["v"] !== 1) throw malformed(`its version is ${String(record["v"])}, 1 is known`);
  if (!(ENVELOPE_TYPES as readonly unknown[]).includes(record["typ"])) throw malformed(`its type "${String(record["typ"])}" is unknown`);
  if (!["read", "write", "admin"].includes(record["cls"] as string)) throw malformed(`its class "${String(record["cls"])}" is unknown`);
  return record as unknown as EnvelopeHeader;
}

/** What a verifier knows: keys for a type and class, and how many distinct ones must have signed. */
export interface Verifier {
  /** Wire form keys that may sign this, with the threshold. Called after the strict header is read; keys by id before. */
  readonly keysById: (kid: string) => string | null;
  readonly rule: (header: EnvelopeHeader) => { readonly keys: readonly string[]; readonly threshold: number };
  readonly audience: { readonly site: string; readonly epoch: number } | null;
  /** The estimate of the time, with its bound; null when the clock is unknown. */
  readonly time: { readonly nowMs: number; readonly errorMs: number } | null;
  /** True when (kid, seq) was taken before or lies below the floor. */
  readonly isSeen: (kid: string, seq: number, cid: string) => boolean;
}

export interface Opened {
  readonly header: EnvelopeHeader;
  readonly headerBytes: Buffer;
  readonly body: Buffer;
  /** Distinct keys whose signatures held. */
  readonly signers: readonly string[];
}

/** The whole check in the order of the design: sizes, known distinct keys, signatures, strict header, audience, time, replay, hash. */
export function openEnvelope(bytes: Uint8Array, verifier: Verifier): Opened {
  const frame = cut(bytes);
  const signers = verifiedSigners(frame, verifier);
  const header = parseHeader(frame.header);
  if (header.kid !== frame.signatures[0]!.kid) throw malformed("its header names another first signer");
  requireThreshold(header, signers, verifier);
  if (header.enc !== "none") throw malformed("it is sealed, and this end holds no key for that yet");
  if (verifier.audience !== null) requireAudience(header, verifier.audience);
  if (verifier.time !== null) requireTime(header, verifier.time);
  if (verifier.isSeen(header.kid, header.seq, header.cid)) throw new Fault("ENVELOPE_REPLAYED", { what: `the envelope ${header.cid} was taken before`, why: `number ${header.seq} of this signer is used` });
  if (header.len !== frame.body.length || !constantTimeEqual(Buffer.from(header.sha256, "hex"), sha256(frame.body))) throw new Fault("ENVELOPE_HASH", { what: `the body of ${header.cid} is not the one that was signed` });
  return { header, headerBytes: frame.header, body: frame.body, signers };
}

function verifiedSigners(frame: Frame, verifier: Verifier): string[] {
  const octets = signedOctets(frame.header);
  const signers = new Set<string>();
  for (const { kid, signature } of frame.signatures) {
    const key = verifier.keysById(kid);
    if (key === null) throw new Fault("ENVELOPE_KEY", { what: "an envelope is signed by an unknown key", why: `its id is ${kid}` });
    if (!verifyBytes(key, octets, signature)) throw new Fault("ENVELOPE_SIGNATURE", { what: "an envelope's signature does not hold", why: `signer ${kid}` });
    if (signers.has(key)) throw new Fault("ENVELOPE_SIGNATURE", { what: "one key signed an envelope twice", why: "a threshold counts distinct keys" });
    signers.add(key);
  }
  return [...signers];
}

function requireThreshold(header: EnvelopeHeader, signers: readonly string[], verifier: Verifier): void {
  const { keys, threshold } = verifier.rule(header);
  const stranger = signers.find((signer) => !keys.includes(signer));
  if (stranger !== undefined || threshold < 1) throw new Fault("ENVELOPE_KEY", { what: `a ${header.typ} of class ${header.cls} may not be signed by this key`, why: "the trust document does not list it for that" });
  if (signers.length < threshold) throw new Fault("ENVELOPE_SIGNATURE", { what: `${threshold} distinct keys must sign a ${header.typ} of class ${header.cls}`, why: `${signers.length} did` });
}

function requireAudience(header: EnvelopeHeader, audience: { readonly site: string; readonly epoch: number }): void {
  if (header.aud !== audience.site) throw new Fault("ENVELOPE_AUDIENCE", { what: "an envelope is meant for another site", why: `it names ${header.aud.slice(0, 40)}` });
  if (header.epoch !== audience.epoch) throw new Fault("ENVELOPE_AUDIENCE", { what: "an envelope is meant for another key epoch of this site", why: `it names ${header.epoch}, this is ${audience.epoch}` });
}

function requireTime(header: EnvelopeHeader, time: { readonly nowMs: number; readonly errorMs: number }): void {
  if (header.nbf > time.nowMs + time.errorMs) throw new Fault("ENVELOPE_TIME", { what: `${header.cid} is not valid yet`, why: `it begins at ${new Date(header.nbf).toISOString()}` });
  if (header.exp !== 0 && time.nowMs - time.errorMs > header.exp) throw new Fault("ENVELOPE_TIME", { what: `${header.cid} is no longer valid`, why: `it ended at ${new Date(header.exp).toISOString()}` });
}
