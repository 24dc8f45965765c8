// Golden vectors: what the wire is, octet for octet. Each is made again and must be the book's; each is taken apart and must be what it was made of. The
// handshake is the product's own, and its signed octets are put together here once more from the page's words alone.
import { createHmac, createPublicKey, verify } from "node:crypto";
import { afterAll, describe, expect, test, vi } from "vitest";
import { parseKey } from "../../shared/kit/keys.ts";
import { encodeFrame, FRAME_TYPES, type FrameTypeName } from "../../shared/wire/frame.ts";
import { hexLines, readBook, rewriteBook, type Vector } from "./book.ts";
import { frameVectors } from "./frame-vectors.ts";
import { exporter, fence, runHandshake, type Handshake } from "./handshake-run.ts";
import { agentKeys, relayIdentity, tokenSecret, trustVectors } from "./trust-vectors.ts";

/** The agent's nonce is 32 octets of 0xaa, the relay's of 0xbb: the order in which the two ask. */
const nonces = vi.hoisted(() => ({ next: 0 }));
vi.mock("node:crypto", async (original) => ({
  ...(await original<Record<string, unknown>>()),
  randomBytes: (count: number) => {
    nonces.next += 1;
    return Buffer.alloc(count, nonces.next % 2 === 1 ? 0xaa : 0xbb);
  },
}));

const handshakes = { link: await runHandshake("link"), join: await runHandshake("join") };
const book = readBook();

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

/** `jsonLength u32be | JSON | proof`, cut by hand. */
function cut(payload: Uint8Array): { json: Buffer; proof: Buffer } {
  const octets = Buffer.from(payload);
  const end = 4 + octets.readUInt32BE(0);
  return { json: octets.subarray(4, end), proof: octets.subarray(end) };
}

/** PROTOCOL.md section 2: context "\0" | nonceA | nonceR | exporter | fence u64be | ( length u32be | payload )*. */
function octetsToSign(context: string, earlier: readonly Uint8Array[], json: Uint8Array): Buffer {
  const counter = Buffer.alloc(8);
  counter.writeUInt32BE(fence, 4);
  const list = [...earlier, json].flatMap((payload) => [u32(payload.length), payload]);
  return Buffer.concat([Buffer.from(`${context}\0`), Buffer.alloc(32, 0xaa), Buffer.alloc(32, 0xbb), exporter, counter, ...list]);
}

const payloadOf = (handshake: Handshake, type: FrameTypeName): Uint8Array => handshake.frames.get(type)!;
const claimOctets = (handshake: Handshake, context: string): Buffer =>
  octetsToSign(context, [payloadOf(handshake, "HELLO"), payloadOf(handshake, "PROOF")], cut(payloadOf(handshake, "CLAIM")).json);

const handshakeVectors: readonly Vector[] = [
  ...(["HELLO", "PROOF", "CLAIM", "WELCOME"] as const).map((type) => ({
    name: `${type}-link`,
    says: "a known site links",
    octets: encodeFrame(type, 0, payloadOf(handshakes.link, type)),
  })),
  {
    name: "signed-by-relay-link",
    says: "what PROOF's signature covers",
    octets: octetsToSign("bowline/link/proof/v1", [payloadOf(handshakes.link, "HELLO")], cut(payloadOf(handshakes.link, "PROOF")).json),
  },
  { name: "signed-by-agent-link", says: "what CLAIM's signature covers", octets: claimOctets(handshakes.link, "bowline/link/claim/v1") },
  ...(["CLAIM", "WELCOME"] as const).map((type) => ({
    name: `${type}-join`,
    says: "an agent joins with a token and waits",
    octets: encodeFrame(type, 0, payloadOf(handshakes.join, type)),
  })),
  { name: "proven-by-token-join", says: "what CLAIM's HMAC covers", octets: claimOctets(handshakes.join, "bowline/link/join/v1") },
];
const vectors: readonly Vector[] = [...frameVectors, ...handshakeVectors, ...trustVectors];

afterAll(() => void rewriteBook(vectors, process.env));

const isRewriting = process.env["BOWLINE_GOLDEN"] === "write";

test.skipIf(isRewriting).each(vectors)("$name is made as the book has it: $says", ({ name, octets }) => {
  expect(book.has(name), "the book has it").toBe(true);
  expect(hexLines(octets)).toEqual(hexLines(book.get(name)!));
});

test.skipIf(isRewriting)("the book holds nothing else, and every frame type is in it", () => {
  expect([...book.keys()]).toEqual(vectors.map(({ name }) => name));
  const inBook = new Set([...book.keys()].map((name) => name.split("-")[0]));
  expect(Object.keys(FRAME_TYPES).filter((type) => !inBook.has(type))).toEqual([]);
});

test.each([...frameVectors, ...trustVectors])("$name is taken apart into what it was made of", ({ name, parse, value, octets }) => {
  expect(parse(isRewriting ? octets : book.get(name)!)).toEqual(value);
});

describe("the handshake's proofs, put together from the page's words", () => {
  const key = (text: string) =>
    createPublicKey({ key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), parseKey("ed25519", text)]), format: "der", type: "spki" });

  test.each(["link", "join"] as const)("%s: the relay signs HELLO and its own JSON", (purpose) => {
    const { json, proof } = cut(payloadOf(handshakes[purpose], "PROOF"));
    expect(proof.length).toBe(64);
    expect(verify(null, octetsToSign("bowline/link/proof/v1", [payloadOf(handshakes[purpose], "HELLO")], json), key(relayIdentity.publicKey), proof)).toBe(
      true,
    );
  });

  test.each(["link", "join"] as const)("%s: the agent signs HELLO, PROOF and its own JSON", (purpose) => {
    const { proof } = cut(payloadOf(handshakes[purpose], "CLAIM"));
    expect(verify(null, claimOctets(handshakes[purpose], "bowline/link/claim/v1"), key(agentKeys.publicKey), proof.subarray(0, 64))).toBe(true);
    expect(handshakes[purpose].isSigned).toBe(true);
  });

  test("join: the token's secret is proved by an HMAC behind the signature, and is nowhere in the claim", () => {
    const { json, proof } = cut(payloadOf(handshakes.join, "CLAIM"));
    expect(proof.subarray(64)).toEqual(createHmac("sha256", tokenSecret).update(claimOctets(handshakes.join, "bowline/link/join/v1")).digest());
    expect(handshakes.join.isProven).toBe(true);
    expect(json.includes(Buffer.from(tokenSecret).toString("base64url"))).toBe(false);
  });

  test("HELLO and WELCOME carry no proof, and HELLO says nothing of who dials", () => {
    for (const type of ["HELLO", "WELCOME"] as const) expect(cut(payloadOf(handshakes.link, type)).proof.length).toBe(0);
    expect(Object.keys(JSON.parse(cut(payloadOf(handshakes.link, "HELLO")).json.toString("utf8")) as object)).toEqual(["versions", "nonce", "purpose"]);
  });
});

test("the book is written only when asked, never in CI, and says what changes", () => {
  expect(rewriteBook(vectors, {})).toBe(false);
  expect(() => rewriteBook(vectors, { BOWLINE_GOLDEN: "write", CI: "true" })).toThrow(/not in CI/);
});
