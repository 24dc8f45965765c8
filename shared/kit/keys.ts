// Keys: made by tweetnacl, used through node:crypto (48 us to sign, 140 us to verify; tweetnacl takes 6.5 ms and accepts malleated signatures).
// One text form on the wire and in files. Refuses keys with which forgeries pass, texts that are not exactly one key, key files that
// others can read. One key, one purpose: every signature has a context string in front, chosen by its caller.
import { createHash, createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify, type KeyObject } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import nacl from "tweetnacl";
import { Fault } from "./errors.ts";
import { writeWhole } from "./files.ts";

export type KeyKind = "ed25519" | "x25519";

export interface KeyPair {
  /** Wire form. */
  readonly publicKey: string;
  /** Ed25519: the 32-octet seed. X25519: the 32-octet scalar. */
  readonly secretKey: Uint8Array;
}

const keyBytes = 32;
const textChars = 43;
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

export function makeSigningKeys(): KeyPair {
  const pair = nacl.sign.keyPair();
  return { publicKey: keyText("ed25519", pair.publicKey), secretKey: pair.secretKey.slice(0, keyBytes) };
}

export function makeBoxKeys(): KeyPair {
  const pair = nacl.box.keyPair();
  return { publicKey: keyText("x25519", pair.publicKey), secretKey: pair.secretKey };
}

export function signingKeysOf(seed: Uint8Array): KeyPair {
  return { publicKey: keyText("ed25519", nacl.sign.keyPair.fromSeed(Uint8Array.from(seed)).publicKey), secretKey: seed };
}

export function boxKeysOf(secretKey: Uint8Array): KeyPair {
  return { publicKey: keyText("x25519", nacl.box.keyPair.fromSecretKey(Uint8Array.from(secretKey)).publicKey), secretKey };
}

export function keyText(kind: KeyKind, key: Uint8Array): string {
  return `${kind}:${Buffer.from(key).toString("base64url")}`;
}

/** 0, 1, p-1, p, p+1, little endian, highest bit cleared. */
const SMALL_VALUES = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
/** Coordinates of small-order points: y on edwards25519, u on curve25519; these and the two of order 8, which differ between the curves. */
const SMALL_ORDER: Readonly<Record<KeyKind, ReadonlySet<string>>> = {
  ed25519: new Set([...SMALL_VALUES, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]),
  x25519: new Set([...SMALL_VALUES, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"]),
};

/** The 32 octets of a key's text. Fault KEY_REFUSED for any other form, and for small-order keys. */
export function parseKey(kind: KeyKind, text: unknown): Uint8Array {
  const refuse = (why: string): Fault => new Fault("KEY_REFUSED", { what: `a ${kind} key is not acceptable`, why });
  const prefix = `${kind}:`;
  if (typeof text !== "string" || !text.startsWith(prefix) || text.length !== prefix.length + textChars) throw refuse(`it is not "${prefix}" and ${textChars} characters of base64url`);
  const key = Buffer.from(text.slice(prefix.length), "base64url");
  if (key.length !== keyBytes || keyText(kind, key) !== text) throw refuse("its text is not the one way to write it");
  const cleared = Buffer.from(key);
  cleared[31] = cleared[31]! & 0x7f;
  if (SMALL_ORDER[kind].has(cleared.toString("hex"))) throw refuse("it has a small order: forgeries would pass");
  return key;
}

const privateKeys = new WeakMap<Uint8Array, KeyObject>();

export function signBytes(secretKey: Uint8Array, octets: Uint8Array): Uint8Array {
  let key = privateKeys.get(secretKey);
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, secretKey]), format: "der", type: "pkcs8" });
    privateKeys.set(secretKey, key);
  }
  return sign(null, octets, key);
}

/** Keys that verified lately: making one costs a fourth of what a verification does, and a site's letters are all signed by one or two. */
const publicKeys = new Map<string, KeyObject>();
const publicKeysMax = 4_096;

function verifyingKey(publicKey: string): KeyObject {
  let key = publicKeys.get(publicKey);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, parseKey("ed25519", publicKey)]), format: "der", type: "spki" });
    if (publicKeys.size >= publicKeysMax) publicKeys.delete(publicKeys.keys().next().value!);
    publicKeys.set(publicKey, key);
  }
  return key;
}

/** False for a signature that does not hold and for a key that is not acceptable: callers fail closed either way. */
export function verifyBytes(publicKey: string, octets: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  try {
    return verify(null, octets, verifyingKey(publicKey), signature);
  } catch {
    return false;
  }
}

/** Key id: first 16 octets of SHA-256("bowline/kid/v1" | public key). */
export function keyId(publicKey: string): Uint8Array {
  return createHash("sha256").update("bowline/kid/v1").update(parseKey("ed25519", publicKey)).digest().subarray(0, 16);
}

/** A site's id, from its agent's first signing key: not chosen, not reusable. */
export function siteIdOf(publicKey: string): string {
  return `s_${createHash("sha256").update("bowline/site/v1").update(parseKey("ed25519", publicKey)).digest("hex").slice(0, 32)}`;
}

export function sha256(octets: Uint8Array | string): Buffer {
  return createHash("sha256").update(octets).digest();
}

export function hmacSha256(secret: Uint8Array, octets: Uint8Array): Uint8Array {
  return createHmac("sha256", secret).update(octets).digest();
}

export function constantTimeEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Words that are hard to mishear over a bad line. 32 of each: with two digits, one in a hundred thousand, and a wrong guess is logged. */
const COLOURS = "AMBER AQUA BLACK BLUE BRONZE BROWN CORAL CREAM CRIMSON CYAN EBONY GOLD GREEN GREY INDIGO IVORY JADE LEMON LILAC MAROON NAVY OLIVE ORANGE PEARL PINK PURPLE RUBY SILVER TEAL VIOLET WHITE YELLOW".split(" ");
const ANIMALS = "BADGER BEAVER BISON CAMEL CONDOR COYOTE DOLPHIN EAGLE FALCON FERRET GIBBON HERON HORNET IGUANA JACKAL KOALA LEMUR LIZARD MARMOT OTTER PANDA PARROT PELICAN PYTHON RABBIT RAVEN SALMON SPIDER TAPIR TURTLE WALRUS WOMBAT".split(" ");

/** What an installer reads out, from the agent's key: the centre never shows it, so whoever knows it spoke with the site. */
export function matchCode(publicKey: string): string {
  const hash = createHash("sha256").update("bowline/match/v1").update(parseKey("ed25519", publicKey)).digest();
  const digits = hash.readUInt16BE(2) % 100;
  return `${COLOURS[hash[0]! % COLOURS.length]}-${ANIMALS[hash[1]! % ANIMALS.length]}-${String(digits).padStart(2, "0")}`;
}

export function isMatchCode(publicKey: string, said: string): boolean {
  return constantTimeEqual(sha256(matchCode(publicKey)), sha256(said.trim().toUpperCase().replaceAll(/[\s_]+/g, "-")));
}

/** Reads a key file (JSON). Faults: FILE_MISSING, FILE_EXPOSED when group or others can read it, FILE_INVALID. */
export function readSecretFile(path: string): Record<string, string> {
  if (!existsSync(path)) throw new Fault("FILE_MISSING", { what: `the key file ${path} is not there` });
  if ((statSync(path).mode & 0o077) !== 0) throw new Fault("FILE_EXPOSED", { what: `${path} can be read by others`, why: "whoever has this key can speak in its owner's name", hint: `chmod 600 ${path}` });
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value) || Object.values(value).some((text) => typeof text !== "string")) throw new Error("it is not an object of texts");
    return value as Record<string, string>;
  } catch (error) {
    throw new Fault("FILE_INVALID", { what: `the key file ${path} cannot be used`, why: (error as Error).message, hint: "restore it from a backup" });
  }
}

/** Writes a key file whole and durable before it is relied on. */
export function writeSecretFile(path: string, value: Readonly<Record<string, string>>): void {
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`, 0o600);
}
