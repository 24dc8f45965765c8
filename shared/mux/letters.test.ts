// Letters inside the mux: numbers in the order in which they leave, receipts that settle each once, and a peer that cannot number, send or settle more than it may.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../kit/random.ts";
import { LettersIn, LettersOut, type LetterLane } from "./letters.ts";

const malformed = expect.objectContaining({ code: "FRAME_MALFORMED" });
const bug = expect.objectContaining({ code: "BUG" });
const bytes = (length: number): Uint8Array => new Uint8Array(length);
const chunk = (number: number, offset: number, total: number, length: number) => ({ number, offset, total, chunk: bytes(length) });

describe("letters that leave", () => {
  const make = (letters = 10, octets = 1_000_000): LettersOut => new LettersOut({ letters, octets });
  const offer = (out: LettersOut, handle: string, length: number, lane: "control" | "deploy" | "bulk" = "deploy"): LetterLane =>
    out.offer({ handle, lane, bytes: bytes(length) });

  test("are numbered from 1 as their first chunk leaves, lane by lane, and cut at the lane's share", () => {
    const out = make();
    const deploy = offer(out, "d1", 20_000);
    offer(out, "d2", 5);
    const bulk = offer(out, "b1", 3, "bulk");
    expect(out.shift(deploy, 16_384, 0)).toMatchObject({ number: 1, offset: 0, total: 20_000 });
    expect(out.shift(bulk, 16_384, 0)).toMatchObject({ number: 2, offset: 0, total: 3 });
    expect(out.shift(deploy, 16_384, 0)).toMatchObject({ number: 1, offset: 16_384, total: 20_000 });
    expect(out.shift(deploy, 16_384, 0)).toMatchObject({ number: 3, offset: 0, total: 5 });
    expect([out.shift(deploy, 1, 0), out.shift(bulk, 1, 0)]).toEqual([null, null]);
    expect(out.underWay).toBe(3);
  });

  test("keep to the peer's credit of letters and of octets, counted since the link began", () => {
    const out = make(2, 100);
    offer(out, "a", 60);
    expect(out.room).toEqual({ letters: 1, octets: 40 });
    expect(() => offer(out, "b", 41)).toThrow(bug);
    offer(out, "b", 40);
    expect(() => offer(out, "c", 0)).toThrow(bug);
    expect(out.raise({ letters: 3, octets: 100 })).toBe(true);
    expect(out.raise({ letters: 2, octets: 50 }), "less than before is no credit").toBe(false);
    expect(out.room).toEqual({ letters: 1, octets: 0 });
  });

  test("are settled once: by a number of their own, or by all up to one, and never by a number that did not leave", () => {
    const out = make();
    let lane: LetterLane | null = null;
    for (const handle of ["a", "b", "c", "d"]) lane = offer(out, handle, 10);
    for (let count = 0; count < 3; count += 1) out.shift(lane!, 100, 0);
    expect(out.settle({ cumulative: 1, singles: [{ number: 3, status: "storage" }] })).toEqual([
      { handle: "c", status: "storage" },
      { handle: "a", status: "committed" },
    ]);
    expect(out.settle({ cumulative: 1, singles: [{ number: 3, status: "committed" }] }), "said again").toEqual([]);
    expect(out.settle({ cumulative: 3, singles: [] })).toEqual([{ handle: "b", status: "committed" }]);
    for (const receipt of [
      { cumulative: 4, singles: [] },
      { cumulative: 0, singles: [{ number: 4, status: "committed" as const }] },
      { cumulative: 0, singles: [{ number: 0, status: "committed" as const }] },
    ])
      expect(() => out.settle(receipt)).toThrow(malformed);
    expect(out.underWay).toBe(0);
  });

  test("are acknowledged with their last octet, each once and in the order they left", () => {
    const out = make();
    const lane = offer(out, "a", 30);
    offer(out, "b", 10);
    out.shift(lane, 20, 1_000);
    expect(out.acked(1_020)).toEqual([]); // the first chunk is not the letter
    out.shift(lane, 20, 1_020);
    out.shift(lane, 20, 1_500);
    expect(out.acked(1_029)).toEqual([]);
    expect(out.acked(1_030)).toEqual(["a"]);
    expect(out.acked(1_509)).toEqual([]);
    expect(out.acked(9_000)).toEqual(["b"]);
    expect(out.acked(9_000)).toEqual([]);
  });

  test("do not leave any more after BYE, while those under way can still be settled", () => {
    const out = make();
    const lane = offer(out, "a", 10);
    offer(out, "b", 10);
    out.shift(lane, 100, 0);
    out.drop();
    expect(out.shift(lane, 100, 0)).toBe(null);
    expect(out.settle({ cumulative: 1, singles: [] })).toEqual([{ handle: "a", status: "committed" }]);
  });
});

describe("letters that come", () => {
  const make = (letters = 10, octets = 1_000_000): LettersIn => new LettersIn({ letters, octets });

  test.each([
    ["a number that is not the next", [chunk(2, 0, 10, 10)]],
    ["a number again", [chunk(1, 0, 10, 10), chunk(1, 0, 10, 10)]],
    ["a letter that begins in its middle", [chunk(1, 5, 10, 5)]],
    ["a chunk that is not the next", [chunk(1, 0, 10, 5), chunk(1, 6, 10, 4)]],
    ["a chunk again", [chunk(1, 0, 10, 5), chunk(1, 0, 10, 5)]],
    ["another length than at first", [chunk(1, 0, 10, 5), chunk(1, 5, 11, 6)]],
    ["an empty letter", [chunk(1, 0, 0, 0)]],
    ["a letter over 4 MiB and its head", [chunk(1, 0, 4_210_689, 10)]],
    ["a length near 2^53", [chunk(1, 0, Number.MAX_SAFE_INTEGER, 10)]],
  ])("%s is FRAME_MALFORMED", (_name, chunks) => {
    const into = make();
    for (const one of chunks.slice(0, -1)) into.receive(one);
    expect(() => into.receive(chunks.at(-1)!)).toThrow(malformed);
  });

  test("more letters or octets than were granted is LETTER_OVERRUN, judged from the first chunk", () => {
    const overrun = expect.objectContaining({ code: "LETTER_OVERRUN" });
    const two = make(1, 100);
    two.receive(chunk(1, 0, 10, 1));
    expect(() => two.receive(chunk(2, 0, 10, 1))).toThrow(overrun);
    expect(() => make(1, 100).receive(chunk(1, 0, 101, 1))).toThrow(overrun);
    const granted = make(1, 100);
    granted.grant({ letters: 2, octets: 50 });
    expect(granted.granted, "a grant never falls").toEqual({ letters: 2, octets: 100 });
    expect(granted.isGrantDue).toBe(true);
    granted.receive(chunk(1, 0, 50, 50));
    granted.receive(chunk(2, 0, 50, 50));
  });

  test("are settled once, after they came; commits out of order are named one by one until the gap is closed", () => {
    const into = make();
    for (let number = 1; number <= 4; number += 1) into.receive(chunk(number, 0, 1, 1));
    expect(() => into.settle(5, "committed")).toThrow(bug);
    into.settle(3, "committed");
    into.settle(2, "policy");
    expect(into.takeReceipt()).toEqual({
      cumulative: 0,
      singles: [
        { number: 3, status: "committed" },
        { number: 2, status: "policy" },
      ],
    });
    expect(into.isReceiptDue).toBe(false);
    expect(() => into.settle(3, "committed")).toThrow(bug);
    into.settle(1, "committed");
    into.settle(4, "committed");
    expect(into.takeReceipt()).toEqual({ cumulative: 4, singles: [] });
    expect(into.unsettled).toBe(0);
  });
});

test("whatever the sizes, lanes and order of commits, every letter is settled once with what the receiver said", () => {
  const letter = fc.record({ lane: fc.constantFrom("control" as const, "deploy" as const, "bulk" as const), length: fc.integer({ min: 1, max: 5_000 }) });
  const statuses = ["committed", "committed", "committed", "storage", "trust", "policy"] as const;
  fc.assert(
    fc.property(fc.array(letter, { minLength: 1, maxLength: 30 }), fc.nat(), (letters, seed) => {
      const random = seededRandom(seed);
      const totals = { letters: 30, octets: 1_000_000 };
      const out = new LettersOut(totals);
      const into = new LettersIn(totals);
      const lanes = new Set(letters.map(({ lane, length }, index) => out.offer({ handle: `l${index}`, lane, bytes: bytes(length) })));
      const said = new Map<number, string>();
      const settled = new Map<string, string>();
      const whole: number[] = [];
      const hear = (): void => {
        for (const { handle, status } of out.settle(into.takeReceipt())) {
          expect(settled.has(handle)).toBe(false);
          settled.set(handle, status);
        }
      };
      while (lanes.size > 0 || whole.length > 0) {
        const lane = [...lanes][Math.floor(random() * lanes.size)];
        const part = lane === undefined || random() < 0.3 ? null : out.shift(lane, 1 + Math.floor(random() * 2_000), 0);
        if (part !== null) {
          into.receive(part);
          if (part.offset + part.chunk.length === part.total) whole.push(part.number);
        }
        if (lane !== undefined && lane.waiting.length === 0) lanes.delete(lane);
        if (whole.length > 0 && random() < 0.5) {
          const [number] = whole.splice(Math.floor(random() * whole.length), 1) as [number];
          const status = statuses[Math.floor(random() * statuses.length)]!;
          said.set(number, status);
          into.settle(number, status);
        }
        if (random() < 0.2) hear();
      }
      hear();
      expect(out.underWay).toBe(0);
      expect([...settled.values()].sort()).toEqual([...said.values()].sort());
      expect(settled.size).toBe(letters.length);
    }),
    { numRuns: 100 },
  );
});
