// Messages taken apart: whole, cut at every length, with octets behind, and hostile. A frame is judged from its head, so nothing of an announced size is
// ever made; whatever comes ends in a Fault that PROTOCOL.md section 1 names.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "../kit/errors.ts";
import { decodeFrames, FrameCursor } from "./decoder.ts";
import { encodeFrame, FRAME_TYPES, frameHeadSize, frameTypeName, IGNORABLE, MORE, writeFrameHead, type FrameTypeName } from "./frame.ts";
import { frameBytesMax, messageBytesMax } from "./limits.ts";

const fault = (code: FaultCode): unknown => expect.objectContaining({ code });
const octets = (...values: number[]): Uint8Array => Uint8Array.from(values);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

interface MadeFrame {
  readonly type: FrameTypeName;
  readonly stream: number;
  readonly payload: Uint8Array;
}

const typeNames = Object.keys(FRAME_TYPES) as FrameTypeName[];
const isStreamType = (type: FrameTypeName): boolean => FRAME_TYPES[type] >= 0x20;
const madeFrame: fc.Arbitrary<MadeFrame> = fc
  .record({ type: fc.constantFrom(...typeNames), id: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), payload: fc.uint8Array({ maxLength: 200 }) })
  .map(({ type, id, payload }) => ({ type, stream: isStreamType(type) ? id : 0, payload }));

const messageOf = (frames: readonly MadeFrame[]): Uint8Array => Buffer.concat(frames.map(({ type, stream, payload }) => encodeFrame(type, stream, payload)));
const shown = ({ type, stream, payload }: MadeFrame): string => `${type} ${stream} ${hexOf(payload)}`;

test("the types of the link and of streams are apart, each has one number, and a type's two flag bits do not change its name", () => {
  const numbers = Object.values(FRAME_TYPES);
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const name of typeNames) {
    expect(FRAME_TYPES[name]).toBeLessThan(0x40);
    for (const flags of [0, MORE, IGNORABLE, MORE | IGNORABLE]) expect(frameTypeName(FRAME_TYPES[name] | flags)).toBe(name);
  }
  expect(frameTypeName(0x3f)).toBe(null);
});

test("a frame's head has the size that was reckoned for it, at every step of a number's length", () => {
  for (const stream of [0, 63, 64, 16_384, 1_073_741_824]) {
    for (const length of [0, 63, 64, 16_383, 16_384, frameBytesMax]) {
      const out = new Uint8Array(frameHeadSize(stream, length));
      expect(writeFrameHead(out, 0, FRAME_TYPES.BODY, stream, length)).toBe(out.length);
    }
  }
});

describe("a message", () => {
  test("of any frames gives these frames", () => {
    fc.assert(
      fc.property(fc.array(madeFrame, { minLength: 1, maxLength: 12 }), (frames) => {
        expect(decodeFrames(messageOf(frames)).map(shown)).toEqual(frames.map(shown));
      }),
    );
  });

  test("cut at any length gives the frames before the cut, and then FRAME_TRUNCATED unless the cut was between two", () => {
    fc.assert(
      fc.property(fc.array(madeFrame, { minLength: 1, maxLength: 4 }), (frames) => {
        const message = messageOf(frames);
        const ends = frames.map((_frame, index) => messageOf(frames.slice(0, index + 1)).length);
        for (let length = 1; length < message.length; length += 1) {
          const cursor = new FrameCursor(message.subarray(0, length));
          const wholeOnes = ends.filter((end) => end <= length).length;
          for (let count = 0; count < wholeOnes; count += 1) expect(cursor.next()).toBe(true);
          if (ends.includes(length)) expect(cursor.next()).toBe(false);
          else expect(() => cursor.next(), `${length} of ${message.length}`).toThrow(fault("FRAME_TRUNCATED"));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("with octets behind its last frame is taken for one that ends inside a frame, or has another", () => {
    const ping = encodeFrame("PING", 0, octets(5));
    for (const behind of [octets(0x07), octets(0x07, 0x00), octets(0x07, 0x00, 0x02, 0x01), octets(0x22, 0x40)]) {
      const cursor = new FrameCursor(Buffer.concat([ping, behind]));
      expect(cursor.next()).toBe(true);
      expect(() => cursor.next()).toThrow(fault("FRAME_TRUNCATED"));
    }
  });

  test("shows each payload as a view of itself: nothing is copied", () => {
    const message = encodeFrame("BODY", 1, octets(1, 2, 3));
    const cursor = new FrameCursor(message);
    cursor.next();
    expect(cursor.payload().buffer).toBe(message.buffer);
  });

  test("that is empty is FRAME_MALFORMED; one over a mebibyte is FRAME_TOO_LARGE", () => {
    expect(() => new FrameCursor(new Uint8Array(0))).toThrow(fault("FRAME_MALFORMED"));
    expect(() => new FrameCursor(new Uint8Array(messageBytesMax + 1))).toThrow(fault("FRAME_TOO_LARGE"));
    const full = Buffer.concat(Array.from({ length: 16 }, () => encodeFrame("BODY", 1, new Uint8Array(frameBytesMax - 6))));
    expect(decodeFrames(full)).toHaveLength(16);
  });

  test("of any octets ends in a Fault that the page names, and in a few steps", () => {
    const named = new Set<string>(["FRAME_MALFORMED", "FRAME_TRUNCATED", "FRAME_TOO_LARGE", "FRAME_UNKNOWN", "FRAME_MISPLACED"]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), (junk) => {
        try {
          expect(decodeFrames(junk).length).toBeLessThanOrEqual(junk.length / 3);
        } catch (error) {
          expect(error instanceof Fault && named.has(error.code), String(error)).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a frame is refused from its head", () => {
  test.each([
    ["65,537 octets", [0x22, 0x01, 0x80, 0x01, 0x00, 0x01]],
    ["a gibibyte", [0x22, 0x01, 0xc0, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00]],
    ["2^53-1 octets", [0x22, 0x01, 0xc0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ["65,537 octets of an unknown type that may be ignored", [0xbf, 0x00, 0x80, 0x01, 0x00, 0x01]],
  ])("that announces %s, although they are not there", (_name, head) => {
    expect(() => decodeFrames(octets(...head))).toThrow(fault("FRAME_TOO_LARGE"));
  });

  test("65,536 octets are allowed", () => {
    expect(decodeFrames(encodeFrame("BODY", 1, new Uint8Array(frameBytesMax)))[0]?.payload.length).toBe(frameBytesMax);
  });

  test.each([
    ["a stream id", [0x22, 0x40, 0x01, 0x00]],
    ["a stream id in eight octets", [0x22, 0xc0, 0, 0, 0, 0, 0, 0, 0x01, 0x00]],
    ["a length", [0x07, 0x00, 0x40, 0x01, 0x05]],
    ["a length in four octets", [0x07, 0x00, 0x80, 0x00, 0x00, 0x01, 0x05]],
    ["a stream id above 2^53-1", [0x22, 0xc0, 0x20, 0, 0, 0, 0, 0, 0, 0x00]],
  ])("with %s that is not in its only form", (_name, frame) => {
    expect(() => decodeFrames(octets(...frame))).toThrow(fault("FRAME_MALFORMED"));
  });

  test("of an unknown type, unless it says that it may be ignored", () => {
    expect(() => decodeFrames(octets(0x3f, 0x00, 0x00))).toThrow(fault("FRAME_UNKNOWN"));
    expect(() => decodeFrames(octets(0x00, 0x00, 0x00))).toThrow(fault("FRAME_UNKNOWN"));
    expect(decodeFrames(octets(0xbf, 0x00, 0x02, 1, 2, 0x07, 0x00, 0x01, 5, 0xbe, 0x09, 0x00)).map(({ type }) => type)).toEqual(["PING"]);
  });

  test("of the link with a stream, and of a stream without one", () => {
    for (const type of typeNames) expect(() => decodeFrames(encodeFrame(type, isStreamType(type) ? 0 : 1, octets(0)))).toThrow(fault("FRAME_MISPLACED"));
  });

  test("that says it goes on and is neither OPEN nor HEAD", () => {
    for (const type of typeNames) {
      const message = encodeFrame(type, isStreamType(type) ? 1 : 0, octets(0));
      message[0] = FRAME_TYPES[type] | MORE;
      if (type === "OPEN" || type === "HEAD") expect(decodeFrames(message)[0]?.hasMore).toBe(true);
      else expect(() => decodeFrames(message), type).toThrow(fault("FRAME_MALFORMED"));
    }
  });
});
