// What a WELCOME holds of the trust chain: as much as fits its frame, one document at least, oldest first.
import { expect, test } from "vitest";
import { handshakeClaimBytesMax } from "../shared/wire/limits.ts";
import { trustPage } from "../relay/agents/admission.ts";
import { parseHeld } from "../relay/agents/serve-link.ts";

const documents = (count: number, octets: number): Uint8Array[] => Array.from({ length: count }, (_value, index) => new Uint8Array(octets).fill(index));

test("a page of trust documents has at most 32 of them, and leaves room for what else a WELCOME holds", () => {
  expect(trustPage(documents(33, 100))).toHaveLength(32);
  const page = trustPage(documents(33, 1_500));
  const chars = page.reduce((sum, document) => sum + Buffer.from(document).toString("base64url").length + 3, 0);
  const letterIds = 2 * 128 * (80 + 3);
  expect(page.length).toBeGreaterThan(10);
  expect(chars + letterIds + 8_192).toBeLessThan(handshakeClaimBytesMax);
  expect(page[0]![0]).toBe(0);
});

test("one document goes however large it is", () => {
  expect(trustPage(documents(2, 60_000))).toHaveLength(1);
  expect(trustPage([])).toEqual([]);
});

test("HELD is an object that names letters; another member means nothing, anything else ends the link", () => {
  const held = (value: unknown): string[] => parseHeld(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
  expect(held({ held: ["a", "b"], partial: {} })).toEqual(["a", "b"]);
  expect(held({ held: [] })).toEqual([]);
  for (const value of [["a"], {}, { held: "a" }, { held: [1] }, { held: Array.from({ length: 129 }, () => "a") }, "{", "null", ""]) expect(() => held(value)).toThrow(/HELD does not name letters/);
});
