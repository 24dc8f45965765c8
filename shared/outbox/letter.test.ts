// A letter's octets: head and envelope come back as they were, and what is not exactly of the form is refused before anybody looks into the envelope;
// what is of a newer peer is told apart from what is broken.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeLetter, LETTER_KINDS, parseLetterOctets, type LetterHead } from "./letter.ts";

const refused = expect.objectContaining({ code: "ENVELOPE_MALFORMED" });
const id = fc.stringMatching(/^[\w.:-]{1,80}$/);
const head: fc.Arbitrary<LetterHead> = fc.record(
  {
    id,
    lane: fc.constantFrom("control" as const, "interactive" as const, "deploy" as const, "bulk" as const),
    kind: fc.constantFrom(...LETTER_KINDS),
    replaceKey: id,
    order: fc.maxSafeNat(),
    after: id,
  },
  { requiredKeys: ["id", "lane", "kind"] },
);
const plain: LetterHead = { id: "c-1", lane: "deploy", kind: "command" };

/** A letter whose head is any octets, with any length said in front. */
function raw(text: string | Buffer, said?: number): Buffer {
  const octets = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(said ?? octets.length);
  return Buffer.concat([length, octets, Buffer.from("envelope")]);
}

test("a letter comes back as it was, whatever its envelope is", () => {
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 500 }), (made, envelope) => {
      const letter = parseLetterOctets(encodeLetter(made, envelope));
      expect(letter.head).toEqual(made);
      expect(Uint8Array.from(letter.envelope)).toEqual(envelope);
    }),
  );
});

test("cut inside its head at any length it is refused; behind it, only the envelope can tell", () => {
  const octets = encodeLetter(plain, Buffer.from("envelope"));
  const headEnd = octets.length - 8;
  for (let length = 0; length < headEnd; length += 1) expect(() => parseLetterOctets(octets.subarray(0, length)), `${length} octets`).toThrow(refused);
  expect(parseLetterOctets(octets.subarray(0, headEnd)).envelope).toHaveLength(0);
});

test.each([1_025, 0x7fff_ffff, 0xffff_ffff])("a head that says it has %d octets is refused from its length", (said) => {
  expect(() => parseLetterOctets(raw("{}", said))).toThrow(refused);
});

describe("a head", () => {
  test.each([
    ["no JSON", "{"],
    ["null", "null"],
    ["a list", "[]"],
    ["a text", '"c-1"'],
    ["no id", { lane: "deploy", kind: "command" }],
    ["an empty id", { ...plain, id: "" }],
    ["an id of 81 characters", { ...plain, id: "c".repeat(81) }],
    ["an id with a slash", { ...plain, id: "../x" }],
    ["an id with a line end", { ...plain, id: "c\n" }],
    ["an id that is a number", { ...plain, id: 7 }],
    ["no lane", { id: "c", kind: "command" }],
    ["a lane that is a number", { ...plain, lane: 1 }],
    ["a kind that is null", { ...plain, kind: null }],
    ["a kind that is none and an empty id", { ...plain, kind: "order", id: "" }],
    ["an order that is a fraction", { ...plain, order: 1.5 }],
    ["an empty predecessor", { ...plain, after: "" }],
    ["a predecessor that is no id", { ...plain, after: "a b" }],
    ["a predecessor that is null", { ...plain, after: null }],
    ["a replace key that is no id", { ...plain, replaceKey: ["report"] }],
    ["an order that is a text", { ...plain, order: "7" }],
    ["an order below nothing", { ...plain, order: -1 }],
    ["an order above 2^53-1", { ...plain, order: 2 ** 53 }],
  ])("with %s is refused", (_name, value) => {
    expect(() => parseLetterOctets(raw(typeof value === "string" ? value : JSON.stringify(value)))).toThrow(refused);
  });

  test.each([{ kind: "order" }, { lane: "fast" }, { kind: "order", lane: "fast" }])("with %j is of a newer peer: unsupported, not broken", (change) => {
    expect(() => parseLetterOctets(raw(JSON.stringify({ ...plain, ...change })))).toThrow(expect.objectContaining({ code: "LETTER_UNSUPPORTED" }));
  });

  test("with members of a newer peer is taken: they are no harm", () => {
    expect(parseLetterOctets(raw(JSON.stringify({ ...plain, future: true }))).head).toMatchObject(plain);
  });
});
