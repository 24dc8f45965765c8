// A letter's head: what is broken is malformed, what is of a newer peer is unsupported, and the two are never taken for each other.
import { expect, test } from "vitest";
import { asFault } from "../kit/errors.ts";
import { encodeLetter, parseLetterOctets, type LetterHead } from "./letter.ts";

const head: LetterHead = { id: "c-1", lane: "deploy", kind: "command", order: 7, after: "c-0" };
const octets = (changes: Record<string, unknown>): Uint8Array => encodeLetter({ ...head, ...changes } as LetterHead, Buffer.from("envelope"));
const codeOf = (bytes: Uint8Array): string => {
  try {
    parseLetterOctets(bytes);
    return "none";
  } catch (error) {
    return asFault(error).code;
  }
};

test("what is known comes back as it was, and members of a newer peer are no harm", () => {
  const letter = parseLetterOctets(octets({ future: true }));
  expect([letter.head.id, letter.head.after, Buffer.from(letter.envelope).toString()]).toEqual(["c-1", "c-0", "envelope"]);
});

test.each([{ kind: "stack" }, { lane: "express" }, { kind: "stack", lane: "express" }])("a letter with %j is unsupported, not broken", (changes) => {
  expect(codeOf(octets(changes))).toBe("LETTER_UNSUPPORTED");
});

test.each([{ id: "" }, { id: "a b" }, { lane: 1 }, { kind: null }, { after: "" }, { replaceKey: 3 }, { order: -1 }, { order: 1.5 }, { kind: "stack", id: "" }])("a letter with %j is malformed", (changes) => {
  expect(codeOf(octets(changes))).toBe("ENVELOPE_MALFORMED");
});

test("octets that end early, or are no JSON, are malformed", () => {
  const whole = octets({});
  for (let length = 0; length < 40; length += 1) expect(codeOf(whole.subarray(0, length))).toBe("ENVELOPE_MALFORMED");
  const broken = Buffer.from(whole);
  broken[4] = 0x21;
  expect(codeOf(broken)).toBe("ENVELOPE_MALFORMED");
});
