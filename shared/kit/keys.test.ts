// Keys: the standard's own vectors, one text for each key, no key and no signature with which somebody else's forgeries would pass, and files that only
// their owner reads.
import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import * as keys from "./keys.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-keys-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const octets = (hex: string): Buffer => Buffer.from(hex, "hex");
const refused = expect.objectContaining({ code: "KEY_REFUSED" });

/** RFC 8032 section 7.1: seed, public key, message, signature. */
const RFC8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
] as const;

describe("signatures", () => {
  test.each(RFC8032)("are the standard's: seed %s", (seed, publicKey, message, signature) => {
    const pair = keys.signingKeysOf(octets(seed));
    expect(pair.publicKey).toBe(keys.keyText("ed25519", octets(publicKey)));
    expect(Buffer.from(keys.signBytes(pair.secretKey, octets(message))).toString("hex")).toBe(signature);
    expect(keys.verifyBytes(pair.publicKey, octets(message), octets(signature))).toBe(true);
  });

  test("do not hold with one bit changed, anywhere in signature, message or key", () => {
    const pair = keys.signingKeysOf(octets(RFC8032[1][0]));
    const message = octets("00ff72");
    const signature = keys.signBytes(pair.secretKey, message);
    for (let bit = 0; bit < 512; bit += 7) {
      const bent = Uint8Array.from(signature);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      expect(keys.verifyBytes(pair.publicKey, message, bent), `bit ${bit} of the signature`).toBe(false);
    }
    expect(keys.verifyBytes(pair.publicKey, octets("00ff73"), signature)).toBe(false);
    expect(keys.verifyBytes(keys.makeSigningKeys().publicKey, message, signature)).toBe(false);
  });

  test("with S + L, which is the same number to a careless verifier, are refused", () => {
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const pair = keys.makeSigningKeys();
    const message = octets("ab");
    const signature = Buffer.from(keys.signBytes(pair.secretKey, message));
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`);
    const bent = Buffer.from(signature);
    octets((s + order).toString(16).padStart(64, "0"))
      .reverse()
      .copy(bent, 32);
    expect(keys.verifyBytes(pair.publicKey, message, signature)).toBe(true);
    expect(keys.verifyBytes(pair.publicKey, message, bent)).toBe(false);
  });

  test("of another length, and keys of another form, are false and not an error", () => {
    const { publicKey } = keys.makeSigningKeys();
    for (const length of [0, 63, 65, 128]) expect(keys.verifyBytes(publicKey, octets(""), new Uint8Array(length))).toBe(false);
    for (const key of ["", "ed25519:", keys.makeBoxKeys().publicKey, `${publicKey}A`])
      expect(keys.verifyBytes(key, octets(""), new Uint8Array(64))).toBe(false);
  });
});

/** Little endian, highest bit cleared: 0, 1, p-1, p, p+1. */
const SMALL = ["00".repeat(32), `01${"00".repeat(31)}`, `ec${"ff".repeat(30)}7f`, `ed${"ff".repeat(30)}7f`, `ee${"ff".repeat(30)}7f`];
const SMALL_ED = [
  ...SMALL,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];
const SMALL_X = [
  ...SMALL,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

function withHighBit(hex: string): Buffer {
  const key = octets(hex);
  key[31]! |= 0x80;
  return key;
}

describe("keys of small order", () => {
  test.each(SMALL_ED)("ed25519 %s is refused with either sign, and no signature holds under it", (hex) => {
    for (const key of [octets(hex), withHighBit(hex)]) {
      const text = keys.keyText("ed25519", key);
      expect(() => keys.parseKey("ed25519", text)).toThrow(refused);
      // R = the identity, S = 0: the forgery that passes under a key of small order for a share of all messages.
      for (let message = 0; message < 16; message += 1)
        expect(keys.verifyBytes(text, Uint8Array.of(message), Buffer.concat([octets(SMALL[1]!), Buffer.alloc(32)]))).toBe(false);
    }
  });

  test.each(SMALL_X)("x25519 %s is refused, as Node itself refuses to agree on a secret with it", (hex) => {
    const der = Buffer.concat([octets("302a300506032b656e032100"), octets(hex)]);
    const privateKey = createPrivateKey({
      key: Buffer.concat([octets("302e020100300506032b656e04220420"), Buffer.alloc(32, 7)]),
      format: "der",
      type: "pkcs8",
    });
    expect(() => diffieHellman({ privateKey, publicKey: createPublicKey({ key: der, format: "der", type: "spki" }) })).toThrow();
    for (const key of [octets(hex), withHighBit(hex)]) expect(() => keys.parseKey("x25519", keys.keyText("x25519", key))).toThrow(refused);
  });
});

describe("a key's text", () => {
  test("is the one way to write it", () => {
    const { publicKey } = keys.signingKeysOf(octets(RFC8032[0][0]));
    expect(Buffer.from(keys.parseKey("ed25519", publicKey)).toString("hex")).toBe(RFC8032[0][1]);
    const body = publicKey.slice("ed25519:".length);
    const last = body.at(-1)!;
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const sameOctets = alphabet[alphabet.indexOf(last) ^ 1]!; // base64url's last character has two bits that no octet uses
    const others = [
      `${publicKey}=`,
      ` ${publicKey}`,
      publicKey.toUpperCase(),
      body,
      `x25519:${body}`,
      `ed25519:${body.slice(1)}`,
      `ed25519:${body.slice(0, -1)}${sameOctets}`,
      `ed25519:${body.slice(0, -1)}!`,
      `ed25519:${"+".repeat(43)}`,
    ];
    for (const text of others) expect(() => keys.parseKey("ed25519", text), text).toThrow(refused);
  });

  test("made keys have it, and come back from their secrets", () => {
    const signing = keys.makeSigningKeys();
    expect(keys.signingKeysOf(signing.secretKey).publicKey).toBe(signing.publicKey);
    const box = keys.makeBoxKeys();
    expect(keys.boxKeysOf(box.secretKey).publicKey).toBe(box.publicKey);
    expect(keys.parseKey("x25519", box.publicKey)).toHaveLength(32);
  });
});

test("ids and match codes are functions of the key alone, and say nothing that another key would say", () => {
  const { publicKey } = keys.signingKeysOf(octets(RFC8032[0][0]));
  const other = keys.makeSigningKeys().publicKey;
  expect(keys.siteIdOf(publicKey)).toMatch(/^s_[0-9a-f]{32}$/);
  expect(keys.siteIdOf(other)).not.toBe(keys.siteIdOf(publicKey));
  expect(keys.keyId(publicKey)).toHaveLength(16);
  expect(Buffer.from(keys.keyId(publicKey)).toString("hex")).not.toBe(keys.siteIdOf(publicKey).slice(2)); // one key, several purposes, no shared text
  expect(keys.matchCode(publicKey)).toMatch(/^[A-Z]+-[A-Z]+-\d\d$/);
});

test("a match code is heard as people say it, and a wrong one is not", () => {
  const { publicKey } = keys.makeSigningKeys();
  const code = keys.matchCode(publicKey);
  for (const said of [code, code.toLowerCase(), ` ${code.replaceAll("-", " ")} `, code.replaceAll("-", "_")])
    expect(keys.isMatchCode(publicKey, said), said).toBe(true);
  for (const said of ["", code.slice(0, -1), `${code}0`, code.replace("-", ""), "TEAL-OTTER-AA"]) expect(keys.isMatchCode(publicKey, said), said).toBe(false);
});

test("comparing in constant time is still comparing", () => {
  expect(keys.constantTimeEqual(octets("0102"), octets("0102"))).toBe(true);
  expect(keys.constantTimeEqual(octets("0102"), octets("0103"))).toBe(false);
  expect(keys.constantTimeEqual(octets("0102"), octets("010200"))).toBe(false);
  expect(Buffer.from(keys.hmacSha256(Buffer.from("Jefe"), Buffer.from("what do ya want for nothing?"))).toString("hex")).toBe(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ); // RFC 4231, case 2
});

describe("key files", () => {
  const path = join(dir, "identity.key");

  test("are written whole, for their owner alone, and leave nothing beside them", () => {
    writeFileSync(path, "older", { mode: 0o644 });
    keys.writeSecretFile(path, { seed: "abc" });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(keys.readSecretFile(path)).toEqual({ seed: "abc" });
    expect(readdirSync(dir)).toEqual(["identity.key"]);
    expect(readFileSync(path, "utf8").endsWith("}\n")).toBe(true);
  });

  test.each([0o640, 0o604, 0o660, 0o610, 0o601])("with mode %o are refused: others could speak in their owner's name", (mode) => {
    chmodSync(path, mode);
    expect(() => keys.readSecretFile(path)).toThrow(expect.objectContaining({ code: "FILE_EXPOSED", hint: `chmod 600 ${path}` }));
  });

  test.each(["", "{", "[]", "null", '"text"', '{"seed": 7}', '{"seed": {"a": "b"}}'])("that hold %s are refused", (text) => {
    const bad = join(dir, "bad.key");
    writeFileSync(bad, text, { mode: 0o600 });
    expect(() => keys.readSecretFile(bad)).toThrow(expect.objectContaining({ code: "FILE_INVALID" }));
    rmSync(bad);
  });

  test("that are not there are named", () => {
    expect(() => keys.readSecretFile(join(dir, "none"))).toThrow(expect.objectContaining({ code: "FILE_MISSING" }));
  });
});
