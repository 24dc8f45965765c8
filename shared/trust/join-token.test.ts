// The join token survives a chat window or says that it did not: cut anywhere, mistyped anywhere, of another kind, it is refused before anything is dialled.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../kit/errors.ts";
import { makeSigningKeys, sha256 } from "../kit/keys.ts";
import { joinTokenText, parseJoinToken, type JoinToken } from "./join-token.ts";

const token: JoinToken = {
  urls: ["https://relay.example.com:8443", "https://relay-2.example.com:8443"],
  identity: [makeSigningKeys().publicKey, makeSigningKeys().publicKey],
  tls: { kind: "ca", ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
  trustRoot: "ab".repeat(32),
  id: "t-1",
  secret: Buffer.alloc(32, 7).toString("base64url"),
  name: "plant-*",
  labels: { region: "north" },
  tier: "admin",
  setting: "relayed",
  binding: "exporter",
  expires: 1_767_000_000_000,
  uses: 3,
};
const text = joinTokenText(token);
const refused = (why: RegExp): unknown => expect.objectContaining({ code: "JOIN_TOKEN_MALFORMED", why: expect.stringMatching(why) as string });

/** Well-formed around any JSON: what only somebody who makes tokens can write. */
function around(value: unknown): string {
  const json = Buffer.from(JSON.stringify(value)).toString("base64url");
  return `bwl1.${json}.${sha256(json).toString("hex").slice(0, 8)}`;
}

test("a token comes back as it was made, also with blanks and line ends around it", () => {
  expect(parseJoinToken(text)).toEqual(token);
  expect(parseJoinToken(`  ${text}\r\n`)).toEqual(token);
});

test("it has one line of characters that no shell, mail or chat changes", () => {
  expect(text).toMatch(/^[A-Za-z0-9._-]+$/);
});

test("cut at any length it is refused, and said to be cut", () => {
  for (let length = 1; length < text.length; length += 1)
    expect(() => parseJoinToken(text.slice(0, length)), `${length} characters`).toThrow(refused(/cut short/));
  expect(() => parseJoinToken("")).toThrow(refused(/empty/));
  for (let from = 1; from < text.length; from += 7)
    expect(() => parseJoinToken(text.slice(from))).toThrow(expect.objectContaining({ code: "JOIN_TOKEN_MALFORMED" }));
});

test("with one character mistyped, left out, doubled or swapped with its neighbour it is refused, wherever it is", () => {
  const other = (character: string): string => (character === "A" ? "B" : "A");
  for (let at = 5; at < text.length; at += 1) {
    const mistakes = [
      text.slice(0, at) + other(text[at]!) + text.slice(at + 1),
      text.slice(0, at) + text.slice(at + 1),
      text.slice(0, at) + text[at]! + text.slice(at),
    ];
    if (at + 1 < text.length && text[at] !== text[at + 1]) mistakes.push(text.slice(0, at) + text[at + 1]! + text[at]! + text.slice(at + 2));
    for (const mistake of mistakes) expect(() => parseJoinToken(mistake), `at ${at}`).toThrow(expect.objectContaining({ code: "JOIN_TOKEN_MALFORMED" }));
  }
});

test.each([
  ["an operator's token", "bwo1_abcdefgh", /does not begin with/],
  ["another version's", text.replace("bwl1.", "bwl2."), /does not begin with/],
  ["in capitals", text.toUpperCase(), /does not begin with/],
  ["a book", "bwl1." + "a".repeat(17_000), /at most 16384/],
  ["two tokens", `${text} ${text}`, /check digits/],
])("%s is refused", (_name, wrong, why) => {
  expect(() => parseJoinToken(wrong)).toThrow(refused(why));
});

describe("a token whose content is not whole", () => {
  test.each([
    ["no address", { urls: [] }],
    ["an address without TLS", { urls: ["http://relay.example.com"] }],
    ["an address that is no text", { urls: [7] }],
    ["no identity key", { identity: [] }],
    ["no way to judge TLS", { tls: { kind: "trust me" } }],
    ["no TLS at all", { tls: null }],
    ["pins to compare with, but none", { tls: { kind: "pin", pins: [] } }],
    ["an authority that is not enclosed", { tls: { kind: "ca" } }],
    ["no trust root", { trustRoot: "ab" }],
    ["a trust root inside a list", { trustRoot: ["ab".repeat(32)] }],
    ["labels that are no texts", { labels: { region: 7 } }],
    ["no name", { name: null }],
    ["no tier", { tier: "" }],
    ["uses without a number", { uses: "many" }],
    ["no id", { id: "" }],
    ["a short secret", { secret: "abcd" }],
    ["no secret", { secret: null }],
    ["the setting sealed, which does not exist yet", { setting: "sealed" }],
    ["no binding", { binding: "both" }],
    ["no expiry", { expires: "soon" }],
  ])("has %s", (_name, change) => {
    expect(() => parseJoinToken(around({ ...token, ...change }))).toThrow(expect.objectContaining({ code: "JOIN_TOKEN_MALFORMED" }));
  });

  test("names a key that is none", () => {
    expect(() => parseJoinToken(around({ ...token, identity: [`ed25519:${"A".repeat(43)}`] }))).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
    expect(() => parseJoinToken(around({ ...token, identity: [7] }))).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
  });

  test("is refused whatever it holds, and is never a bug of ours", () => {
    const member = fc.constantFrom(...Object.keys(token));
    fc.assert(
      fc.property(fc.jsonValue(), member, fc.jsonValue(), (whole, name, value) => {
        for (const content of [whole, { ...token, [name]: value }]) {
          try {
            parseJoinToken(around(content));
          } catch (error) {
            expect(error instanceof Fault && ["JOIN_TOKEN_MALFORMED", "KEY_REFUSED"].includes(error.code), `${JSON.stringify(content)}: ${String(error)}`).toBe(
              true,
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("a token whose time is over is whole: the relay judges time, a site's clock may be wrong", () => {
  expect(parseJoinToken(around({ ...token, expires: 1 })).expires).toBe(1);
});
