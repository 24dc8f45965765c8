// The octets of the four handshake frames (PROTOCOL.md section 2): `jsonLength u32be | JSON | proof`, what is signed in each, and strict
// readers of their JSON. Nothing here touches a socket. Used by handshake.ts.
import { hmacSha256 } from "../kit/keys.ts";
import { Fault } from "../kit/errors.ts";

export const PROOF_CONTEXT = "bowline/link/proof/v1\0";
export const CLAIM_CONTEXT = "bowline/link/claim/v1\0";
export const JOIN_CONTEXT = "bowline/link/join/v1\0";
export const nonceBytes = 32;
export const exporterBytes = 32;
export const signatureBytes = 64;
export const hmacBytes = 32;

export interface HandshakeFrame {
  readonly json: Record<string, unknown>;
  readonly jsonBytes: Uint8Array;
  readonly proof: Uint8Array;
  /** The payload as it crossed the wire. */
  readonly payload: Uint8Array;
}

export function encodeHandshake(json: Readonly<Record<string, unknown>>, prove?: (jsonBytes: Uint8Array) => Uint8Array): Uint8Array {
  const jsonBytes = Buffer.from(JSON.stringify(json), "utf8");
  const proof = prove ? prove(jsonBytes) : new Uint8Array(0);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(jsonBytes.length);
  return Buffer.concat([length, jsonBytes, proof]);
}

export function decodeHandshake(payload: Uint8Array, proofBytes: readonly number[]): HandshakeFrame {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length < 4) throw refused("a handshake frame is shorter than its length field");
  const length = bytes.readUInt32BE(0);
  if (length > bytes.length - 4) throw refused("a handshake frame ends inside its JSON");
  const proof = bytes.subarray(4 + length);
  if (!proofBytes.includes(proof.length)) throw refused(`the proof has ${proof.length} octets, expected ${proofBytes.join(" or ")}`);
  const jsonBytes = bytes.subarray(4, 4 + length);
  let json: unknown;
  try {
    json = JSON.parse(jsonBytes.toString("utf8"));
  } catch (error) {
    throw refused(`the JSON cannot be read: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw refused("the JSON is not an object");
  return { json: json as Record<string, unknown>, jsonBytes, proof, payload: bytes };
}

export interface Transcript {
  readonly nonceAgent: Uint8Array;
  readonly nonceRelay: Uint8Array;
  readonly exporter: Uint8Array;
  readonly fence: number;
  /** Payloads of all earlier handshake frames of this link. */
  readonly earlier: readonly Uint8Array[];
}

/** The octets that a proof covers. Lengths are in front of every part, so no two transcripts share their octets. */
export function signedOctets(context: string, transcript: Transcript, jsonBytes: Uint8Array): Uint8Array {
  const fence = Buffer.alloc(8);
  fence.writeBigUInt64BE(BigInt(transcript.fence));
  const parts: Uint8Array[] = [Buffer.from(context, "utf8"), transcript.nonceAgent, transcript.nonceRelay, transcript.exporter, fence];
  for (const payload of [...transcript.earlier, jsonBytes]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    parts.push(length, payload);
  }
  return Buffer.concat(parts);
}

/** The HMAC by a join token's secret; the CLAIM's JSON names both agent keys, name and labels, so it covers them. */
export function joinHmac(secret: Uint8Array, transcript: Transcript, jsonBytes: Uint8Array): Uint8Array {
  return hmacSha256(secret, signedOctets(JOIN_CONTEXT, transcript, jsonBytes));
}

export function refused(why: string): Fault {
  return new Fault("HANDSHAKE_REFUSED", { what: "the link handshake was refused", why });
}

/** Readers of one JSON member: the value of the wanted type, or HANDSHAKE_REFUSED that names the member. */
export const member = {
  string(json: Record<string, unknown>, name: string, charsMax = 256): string {
    const value = json[name];
    if (typeof value !== "string" || value.length === 0 || value.length > charsMax) throw refused(`"${name}" is not a text of 1 to ${charsMax} characters`);
    return value;
  },
  integer(json: Record<string, unknown>, name: string): number {
    const value = json[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw refused(`"${name}" is not a whole number`);
    return value;
  },
  object(json: Record<string, unknown>, name: string): Record<string, unknown> {
    const value = json[name];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(`"${name}" is not an object`);
    return value as Record<string, unknown>;
  },
  strings(json: Record<string, unknown>, name: string, countMax: number, charsMax = 128): string[] {
    const value = json[name];
    if (!Array.isArray(value) || value.length > countMax) throw refused(`"${name}" is not a list of at most ${countMax}`);
    for (const item of value) if (typeof item !== "string" || item.length === 0 || item.length > charsMax) throw refused(`"${name}" holds something that is not a text`);
    return value as string[];
  },
  octets(json: Record<string, unknown>, name: string, length: number): Uint8Array {
    const text = member.string(json, name, 4 * length);
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length !== length || bytes.toString("base64url") !== text) throw refused(`"${name}" is not ${length} octets in base64url`);
    return bytes;
  },
};
