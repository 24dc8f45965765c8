// The wire's few shapes: numbers in their shortest form and no other, strings that never promise more than is there, a writer whose scratch is reused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FaultCode } from "../kit/errors.ts";
import { ByteReader, ByteWriter, latin1Text, varintMax, varintSize, writeVarint } from "./bytes.ts";

const fault = (code: FaultCode): unknown => expect.objectContaining({ code });
const octetsOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

function varint(value: number): Uint8Array {
  const out = new Uint8Array(varintSize(value));
  expect(writeVarint(out, 0, value)).toBe(out.length);
  return out;
}

describe("varint", () => {
  test.each([
    [0, "00"],
    [63, "3f"],
    [64, "4040"],
    [16_383, "7fff"],
    [16_384, "80004000"],
    [1_073_741_823, "bfffffff"],
    [1_073_741_824, "c000000040000000"],
    [varintMax, "c01fffffffffffff"],
    // RFC 9000, appendix A.1
    [37, "25"],
    [15_293, "7bbd"],
    [494_878_333, "9d7f3e7d"],
  ])("%d is %s", (value, hex) => {
    expect(hexOf(varint(value))).toBe(hex);
    const reader = new ByteReader(octetsOf(hex));
    expect(reader.varint()).toBe(value);
    expect(reader.left).toBe(0);
  });

  test.each(["4025", "403f", "80000000", "80003fff", "c000000000000000", "c00000003fffffff"])("%s, longer than its value needs, is refused", (hex) => {
    expect(() => new ByteReader(octetsOf(hex)).varint()).toThrow(fault("FRAME_MALFORMED"));
  });

  test.each(["c020000000000000", "c2197c5eff14e88c", "ffffffffffffffff"])("%s, above 2^53-1, is refused", (hex) => {
    expect(() => new ByteReader(octetsOf(hex)).varint()).toThrow(fault("FRAME_MALFORMED"));
  });

  test("any number comes back from exactly its own octets, whatever lies around them", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(20), fc.uint8Array({ maxLength: 9 }), (value, before, behind) => {
        const out = new Uint8Array(before + varintSize(value) + behind.length);
        const end = writeVarint(out, before, value);
        out.set(behind, end);
        const reader = new ByteReader(out, before);
        expect(reader.varint()).toBe(value);
        expect(reader.at).toBe(end);
        expect(hexOf(reader.rest())).toBe(hexOf(behind));
      }),
    );
  });

  test("a number that is cut at any place is refused, and nothing behind the reader's end is read", () => {
    for (const value of [64, 16_384, 1_073_741_824, varintMax]) {
      const whole = varint(value);
      for (let length = 0; length < whole.length; length += 1) {
        expect(() => new ByteReader(whole.subarray(0, length)).varint()).toThrow(fault("FRAME_MALFORMED"));
        expect(() => new ByteReader(whole, 0, length).varint(), `${length} of ${whole.length}`).toThrow(fault("FRAME_MALFORMED"));
      }
    }
  });
});

describe("a reader", () => {
  test.each([0, 1, 62, 1_073_741_824, varintMax])("refuses a string of %d octets more than are there, before anything of that size exists", (excess) => {
    const octets = new ByteWriter()
      .varint(3 + excess + 1)
      .raw(octetsOf("616263"))
      .done();
    expect(() => new ByteReader(octets).latin1()).toThrow(fault("FRAME_MALFORMED"));
    expect(() => new ByteReader(octets).utf8(varintMax)).toThrow(fault("FRAME_MALFORMED"));
    expect(() => new ByteReader(octets).view(octets.length + 1)).toThrow(fault("FRAME_MALFORMED"));
  });

  test("refuses words for people that are over their bound, from their length alone", () => {
    const octets = new ByteWriter().utf8("x".repeat(1_025), 2_000).done();
    expect(() => new ByteReader(octets).utf8(1_024)).toThrow(fault("FRAME_MALFORMED"));
    expect(new ByteReader(octets).utf8(1_025)).toHaveLength(1_025);
  });

  test("shows broken UTF-8 as U+FFFD: it is for people, and never a reason to end a link", () => {
    expect(new ByteReader(octetsOf("03ff41c3")).utf8(8)).toBe("\ufffdA\ufffd");
  });

  test("says how much is left over, and that nothing may be", () => {
    const reader = new ByteReader(octetsOf("0102"));
    expect(reader.u8()).toBe(1);
    expect(() => reader.finish()).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED", why: "1 octets are left over after the last field" }));
    expect(reader.u8()).toBe(2);
    reader.finish();
    expect(() => reader.u8()).toThrow(fault("FRAME_MALFORMED"));
  });
});

describe("octets as characters", () => {
  test("each of the 256 octets is the character of its number, as no TextDecoder does it", () => {
    const all = Uint8Array.from({ length: 256 }, (_value, index) => index);
    const text = latin1Text(all, 0, 256);
    expect(Array.from(text, (character) => character.codePointAt(0))).toEqual([...all]);
    expect(hexOf(new ByteReader(new ByteWriter().latin1(text).done()).view(258))).toBe(`4100${hexOf(all)}`);
  });

  test("long texts come back whole on both sides of the step in which they are read", () => {
    for (const length of [4_095, 4_096, 4_097, 8_192, 70_000]) {
      const text = Array.from({ length }, (_value, index) => String.fromCharCode(index % 256)).join("");
      expect(new ByteReader(new ByteWriter().latin1(text).done()).latin1() === text, `${length} characters`).toBe(true);
    }
  });

  test("a character above U+00FF is refused and leaves nothing of itself behind", () => {
    const writer = new ByteWriter().varint(7);
    expect(() => writer.latin1("price: 5 \u20ac")).toThrow(fault("HEADER_REFUSED"));
    expect(hexOf(writer.varint(8).done())).toBe("0708");
  });
});

describe("a writer", () => {
  test("hands out copies: what it writes next changes nothing that it gave away", () => {
    const writer = new ByteWriter();
    const first = writer.varint(1).done();
    const second = writer.reset().varint(2).done();
    expect([...first, ...second]).toEqual([1, 2]);
  });

  test("grows to what is written and gives large scratch back", () => {
    const large = Uint8Array.from({ length: 300_000 }, (_value, index) => index & 0xff);
    const writer = new ByteWriter();
    expect(hexOf(writer.raw(large).done())).toBe(hexOf(large));
    expect(hexOf(writer.reset().raw(large.subarray(0, 20_000)).done())).toBe(hexOf(large.subarray(0, 20_000)));
  });

  test("cuts words for people at their bound in octets, whatever characters that meets", () => {
    const octets = new ByteWriter().utf8("\u00e9".repeat(600), 1_023).done();
    expect(octets.length).toBe(2 + 1_023);
    expect(new ByteReader(octets).utf8(1_024)).toBe(`${"\u00e9".repeat(511)}\ufffd`);
  });
});
