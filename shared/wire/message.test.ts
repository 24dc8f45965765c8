// Payloads: each comes back as it was made, cut at every length it is refused, with octets behind it is refused, and lists have ceilings that are judged
// before they are read. Heads take what HTTP takes and nothing that two readers would take for different things.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FAULTS, type FaultCode } from "../kit/errors.ts";
import { codeName, codeNumber, CODES, faultCodeOf } from "./codes.ts";
import { headPairsMax, reasonBytesMax, streamsPerLinkMax } from "./limits.ts";
import * as message from "./message.ts";
import { findName, nameCount, nameIndex } from "./names.ts";

const fault = (code: FaultCode): unknown => expect.objectContaining({ code });
const octets = (...values: number[]): Uint8Array => Uint8Array.from(values);
const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** Printable octets, tabs and the upper half: what a value may hold. */
const value = fc.array(fc.constantFrom(0x09, ...range(0x20, 0x7e), ...range(0x80, 0xff)), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes));
const name = fc.oneof(fc.constantFrom("accept", "content-type", "x-request-id", "link"), fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9a-z]{1,20}$/));
const headers = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((pairs) => pairs.flat());
const requestHead: fc.Arbitrary<message.RequestHead> = fc.record({
  flags: fc.record({ interactive: fc.boolean(), upgrade: fc.boolean(), ends: fc.boolean() }),
  method: value,
  target: value,
  operator: value,
  tier: value,
  requestId: value,
  source: value,
  headers,
});
const plainHead: message.RequestHead = {
  flags: { interactive: false, upgrade: false, ends: false },
  method: "GET",
  target: "/",
  operator: "ann",
  tier: "admin",
  requestId: "r",
  source: "s",
  headers: [],
};

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_value, index) => from + index);
}

/** `make` and `parse` of a payload without optional ends: every shorter one is refused, and so is every longer one. */
function strict<Value>(payload: Uint8Array, parse: (payload: Uint8Array) => Value): void {
  for (let length = 0; length < payload.length; length += 1)
    expect(() => parse(payload.subarray(0, length)), `${length} of ${payload.length} octets`).toThrow(fault("FRAME_MALFORMED"));
  expect(() => parse(joined(payload, octets(0))), "with an octet behind").toThrow(fault("FRAME_MALFORMED"));
}

describe("a request's head", () => {
  test("comes back as it was", () => {
    fc.assert(fc.property(requestHead, (head) => void expect(message.parseOpen(message.encodeOpen(head))).toEqual(head)));
  });

  test("cut at any length is refused, or has lost whole headers at its end and nothing else", () => {
    fc.assert(
      fc.property(requestHead, (head) => {
        const payload = message.encodeOpen(head);
        for (let length = 0; length < payload.length; length += 1) {
          let parsed: message.RequestHead | null = null;
          try {
            parsed = message.parseOpen(payload.subarray(0, length));
          } catch (error) {
            expect(error).toMatchObject({ code: "FRAME_MALFORMED" });
          }
          if (parsed !== null) expect(parsed).toEqual({ ...head, headers: head.headers.slice(0, parsed.headers.length) });
        }
      }),
      { numRuns: 40 },
    );
  });

  test("has its own six fields once and first", () => {
    const payload = message.encodeOpen(plainHead);
    const swapped = Uint8Array.from(payload);
    swapped[1] = 2;
    expect(() => message.parseOpen(swapped)).toThrow(fault("FRAME_MALFORMED"));
    for (const index of [1, 2, 3, 4, 5, 6])
      expect(() => message.parseOpen(joined(payload, octets(index, 1, 0x41))), `:field ${index} again`).toThrow(fault("FRAME_MALFORMED"));
  });

  test("with flags that nobody knows is refused", () => {
    for (const flags of [8, 15, 0x3f]) {
      const payload = Uint8Array.from(message.encodeOpen(plainHead));
      payload[0] = flags;
      expect(() => message.parseOpen(payload)).toThrow(fault("FRAME_MALFORMED"));
    }
  });

  test.each([
    ["upper case", "X-Own"],
    ["a space", "x own"],
    ["a colon", ":method"],
    ["nothing", ""],
    ["a control character", "x\u0001"],
    ["an octet above ASCII", "x\u00e9"],
  ])("with a name that has %s is refused by who reads it", (_what, bad) => {
    expect(() => message.parseOpen(message.encodeOpen({ ...plainHead, headers: [bad, "1"] }))).toThrow(fault("FRAME_MALFORMED"));
    expect(() => message.parseHead(message.encodeHead({ status: 200, headers: [bad, "1"] }))).toThrow(fault("FRAME_MALFORMED"));
  });

  test.each([0x00, 0x01, 0x08, 0x0a, 0x0b, 0x0d, 0x1f, 0x7f])("with the control character %d in any value is refused by who reads it", (code) => {
    const bad = `a${String.fromCharCode(code)}b`;
    for (const field of ["method", "target", "operator", "tier", "requestId", "source"] as const)
      expect(() => message.parseOpen(message.encodeOpen({ ...plainHead, [field]: bad })), field).toThrow(fault("FRAME_MALFORMED"));
    expect(() => message.parseOpen(message.encodeOpen({ ...plainHead, headers: ["accept", bad] }))).toThrow(fault("FRAME_MALFORMED"));
  });

  test("takes 2,000 headers and no more, on the way out and on the way in", () => {
    const many = Array.from({ length: headPairsMax }, () => ["accept", "x"]).flat();
    expect(message.parseOpen(message.encodeOpen({ ...plainHead, headers: many })).headers).toHaveLength(2 * headPairsMax);
    expect(() => message.encodeOpen({ ...plainHead, headers: [...many, "accept", "x"] })).toThrow(fault("HEAD_TOO_LARGE"));
    const payload = joined(message.encodeOpen({ ...plainHead, headers: many }), octets(7, 1, 0x78));
    expect(() => message.parseOpen(payload)).toThrow(fault("HEAD_TOO_LARGE"));
  });

  test("with a header of a number beyond the table is refused", () => {
    const beyond = joined(message.encodeOpen(plainHead), message.encodeNumbers(nameCount), octets(1, 0x41));
    expect(() => message.parseOpen(beyond)).toThrow(fault("FRAME_MALFORMED"));
  });
});

describe("an answer's head", () => {
  test("comes back as it was", () => {
    const status = fc.oneof(fc.constant(101), fc.integer({ min: 200, max: 599 }));
    fc.assert(
      fc.property(
        status,
        headers,
        (code, list) => void expect(message.parseHead(message.encodeHead({ status: code, headers: list }))).toEqual({ status: code, headers: list }),
      ),
    );
  });

  test.each([0, 1, 99, 100, 102, 103, 199, 600, 999, 65_536])("with the status %d is refused", (status) => {
    expect(() => message.parseHead(message.encodeHead({ status, headers: [] }))).toThrow(fault("FRAME_MALFORMED"));
  });
});

describe("BYE and RESET", () => {
  const code = fc.constantFrom(...CODES.map(([word]) => word));
  const reason = fc.string({ unit: "grapheme", maxLength: 200 }).filter((text) => Buffer.byteLength(text) <= reasonBytesMax);

  test("come back as they were", () => {
    fc.assert(
      fc.property(code, fc.maxSafeNat(), fc.maxSafeNat(), reason, reason, (word, greatestId, retryAfterMs, why, otherRelay) => {
        const bye = { code: word, greatestId, retryAfterMs, reason: why, otherRelay };
        expect(message.parseBye(message.encodeBye(bye))).toEqual(bye);
        expect(message.parseReset(message.encodeReset(word, why))).toEqual({ code: word, reason: why });
      }),
    );
  });

  test("are strict about their ends", () => {
    strict(message.encodeBye({ code: "draining", greatestId: 70, retryAfterMs: 20_000, reason: "why", otherRelay: "where" }), message.parseBye);
    strict(message.encodeReset("policy", "why"), message.parseReset);
  });

  test("with a reason over its bound are refused by who reads them", () => {
    const tooLong = joined(message.encodeNumbers(17, reasonBytesMax + 1), new Uint8Array(reasonBytesMax + 1));
    expect(() => message.parseReset(tooLong)).toThrow(fault("FRAME_MALFORMED"));
  });

  test("with a code from the future are read as unspecified", () => {
    expect(message.parseReset(joined(message.encodeNumbers(CODES.length, 0)))).toEqual({ code: "unspecified", reason: "" });
    expect(codeName(Number.MAX_SAFE_INTEGER)).toBe("unspecified");
  });

  test("each code has one number, and stands for a Fault of the product's", () => {
    for (const [index, [word, faultCode]] of CODES.entries()) {
      expect(codeNumber(word)).toBe(index);
      expect(codeName(index)).toBe(word);
      expect(faultCodeOf(word)).toBe(faultCode);
      expect(FAULTS).toHaveProperty(faultCode);
    }
  });
});

test("payloads that are numbers come back, have exactly as many as they should, and nothing behind", () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 4 }), (values) => {
      const payload = message.encodeNumbers(...values);
      expect(message.parseNumbers(payload, values.length)).toEqual(values);
      strict(payload, (part) => message.parseNumbers(part, values.length));
    }),
  );
});

describe("LETTER", () => {
  const letter = (number: number, offset: number, total: number, ...chunk: number[]): Uint8Array =>
    joined(message.encodeLetterHead(number, offset, total), octets(...chunk));

  test("carries a chunk that lies inside its letter", () => {
    expect(message.parseLetter(letter(3, 2, 5, 7, 8, 9))).toEqual({ number: 3, offset: 2, total: 5, chunk: octets(7, 8, 9) });
  });

  test.each([
    ["ends behind its letter", letter(1, 3, 5, 7, 8, 9)],
    ["begins behind its letter", letter(1, 6, 5)],
    ["is empty", letter(1, 2, 5)],
    ["has an offset near 2^53", letter(1, Number.MAX_SAFE_INTEGER, 5, 7)],
    ["lacks its total", message.encodeNumbers(1, 0)],
  ])("whose chunk %s is refused", (_what, payload) => {
    expect(() => message.parseLetter(payload)).toThrow(fault("FRAME_MALFORMED"));
  });
});

describe("RECEIPT", () => {
  const status = fc.constantFrom(...(Object.keys(message.LETTER_STATUS) as message.LetterStatus[]));
  const singles = fc.array(fc.record({ number: fc.maxSafeNat(), status }), { maxLength: 20 });

  test("comes back as it was and is strict about its end", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), singles, (cumulative, list) => {
        const payload = message.encodeReceipt({ cumulative, singles: list });
        expect(message.parseReceipt(payload, 20)).toEqual({ cumulative, singles: list });
        strict(payload, (part) => message.parseReceipt(part, 20));
      }),
      { numRuns: 50 },
    );
  });

  test("that names more letters than are under way is refused from its count", () => {
    for (const count of [3, 1_000_000, Number.MAX_SAFE_INTEGER])
      expect(() => message.parseReceipt(message.encodeNumbers(0, count), 2)).toThrow(
        expect.objectContaining({ code: "FRAME_MALFORMED", why: `a RECEIPT names ${count} letters, 2 are under way` }),
      );
  });

  test("with a status of a newer peer is read as policy: a refusal whose reason is not known here", () => {
    expect(message.parseReceipt(message.encodeNumbers(0, 2, 1, 6, 2, 16_384), 2).singles).toEqual([
      { number: 1, status: "policy" },
      { number: 2, status: "policy" },
    ]);
  });
});

describe("LIVE", () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 50 }).map((list) => list.sort((left, right) => left - right));

  test("comes back as it was and is strict about its end", () => {
    fc.assert(
      fc.property(ids, fc.nat(1_000), (openIds, above) => {
        const live = { greatestId: (openIds.at(-1) ?? 0) + above, openIds };
        const payload = message.encodeLive(live);
        expect(message.parseLive(payload)).toEqual(live);
        strict(payload, message.parseLive);
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ["names a stream twice", message.encodeNumbers(9, 2, 4, 0)],
    ["names a stream above its greatest", message.encodeNumbers(9, 2, 4, 6)],
    ["names more streams than a link can have", message.encodeNumbers(9, streamsPerLinkMax + 1)],
    ["runs over 2^53", message.encodeNumbers(Number.MAX_SAFE_INTEGER, 2, Number.MAX_SAFE_INTEGER, 1)],
  ])("that %s is refused", (_what, payload) => {
    expect(() => message.parseLive(payload)).toThrow(fault("FRAME_MALFORMED"));
  });
});

test("each header name of the table is one in lower case that a head takes, has its own place, and is found there", () => {
  for (let index = 1; index < nameCount; index += 1) {
    const known = findName(index)!;
    expect(known).toMatch(index <= 6 ? /^:[a-z-]+$/ : /^[a-z0-9-]+$/);
    expect(nameIndex(known), known).toBe(index);
  }
  expect(findName(nameCount)).toBe(null);
  expect(nameIndex("")).toBe(0);
  expect(nameIndex("x-unheard-of")).toBe(0);
});
