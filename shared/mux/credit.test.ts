// Window arithmetic: what was granted is never exceeded and never taken back, growth is shared and given back, and a pair of ends never comes to a halt while
// the reader takes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GrowthBudget, ReceiveWindow, SendWindow } from "./credit.ts";

const bug = expect.objectContaining({ code: "BUG" });
const startOctets = 65_536;
const streamMax = 4_194_304;

describe("what we may send", () => {
  test("is what was granted less what was sent, and more is a bug of ours", () => {
    const window = new SendWindow(100);
    window.use(60);
    expect([window.available, window.sent]).toEqual([40, 60]);
    window.use(40);
    expect(() => window.use(1)).toThrow(bug);
  });

  test("rises to an absolute limit; the same or a lower one changes nothing", () => {
    const window = new SendWindow(100);
    window.use(100);
    expect(window.raise(100)).toBe(false);
    expect(window.raise(50)).toBe(false);
    expect(window.available).toBe(0);
    expect(window.raise(150), "it had none and has some: whoever waits may go on").toBe(true);
    expect(window.raise(250), "it had some already").toBe(false);
    expect(window.available).toBe(150);
  });
});

describe("growth", () => {
  test("is given up to the link's ceiling and comes back whole", () => {
    const budget = new GrowthBudget(100);
    expect([budget.take(70), budget.take(70), budget.take(1)]).toEqual([70, 30, 0]);
    budget.giveBack(100);
    expect([budget.used, budget.take(200)]).toEqual([0, 100]);
    expect(() => budget.giveBack(101)).toThrow(bug);
  });
});

describe("what the peer may send", () => {
  const make = (budget = new GrowthBudget(16_777_216)): ReceiveWindow => new ReceiveWindow(startOctets, budget);

  test("is refused beyond the grant, octet for octet, and nothing of it is counted", () => {
    const window = make();
    expect(window.receive(startOctets)).toBe(true);
    expect(window.receive(1)).toBe(false);
    expect(window.held).toBe(startOctets);
  });

  test("grows back as the reader takes, not as octets arrive, and is worth a CREDIT from half a window on", () => {
    const window = make();
    window.receive(startOctets);
    expect(window.grant()).toBe(startOctets);
    expect(window.take(startOctets / 2 - 1, 0, 1_000)).toBe(false);
    expect(window.take(1, 0, 1_000)).toBe(true);
    expect(window.grant()).toBe(startOctets / 2 + startOctets);
    expect(window.held).toBe(startOctets / 2);
  });

  test("cannot be taken before it has arrived", () => {
    const window = make();
    window.receive(10);
    expect(() => window.take(11, 0, 1)).toThrow(bug);
  });

  /** A reader that takes everything at once from a peer that fills the window once a round trip. */
  function rounds(window: ReceiveWindow, count: number, roundTripMs: number, fromMs = 0): number {
    let nowMs = fromMs;
    for (let round = 0; round < count; round += 1) {
      nowMs += roundTripMs;
      let left = window.grant() - total(window);
      while (left > 0) {
        const octets = Math.min(16_384, left);
        expect(window.receive(octets)).toBe(true);
        totals.set(window, total(window) + octets);
        window.take(octets, nowMs, roundTripMs);
        left -= octets;
      }
    }
    return nowMs;
  }
  const totals = new WeakMap<ReceiveWindow, number>();
  const total = (window: ReceiveWindow): number => totals.get(window) ?? 0;

  test("doubles for a reader that keeps up, to 4 MiB and no more", () => {
    const window = make();
    const sizes: number[] = [];
    let nowMs = 0;
    for (let round = 0; round < 12; round += 1) {
      nowMs = rounds(window, 1, 100, nowMs);
      sizes.push(window.window);
    }
    for (let index = 1; index < sizes.length; index += 1) expect(sizes[index]! >= sizes[index - 1]!).toBe(true);
    expect(sizes.at(-1)).toBe(streamMax);
    expect(sizes.findIndex((size) => size === streamMax)).toBeLessThan(10);
  });

  test("shares the link's growth: a later one gets what is left, and all of it comes back", () => {
    const budget = new GrowthBudget(streamMax);
    const greedy = make(budget);
    const later = make(budget);
    rounds(greedy, 12, 100);
    rounds(later, 12, 100);
    expect(budget.used).toBe(streamMax);
    expect(greedy.window - startOctets + (later.window - startOctets)).toBe(streamMax);
    greedy.release();
    later.release();
    expect([budget.used, greedy.window, later.window]).toEqual([0, startOctets, startOctets]);
  });

  test("falls to its start when the reader stalled, while the peer's grant stands", () => {
    const budget = new GrowthBudget(16_777_216);
    const window = make(budget);
    const nowMs = rounds(window, 10, 100);
    const granted = window.grant();
    expect(window.window).toBe(streamMax);
    window.receive(1_000);
    window.take(1_000, nowMs + 5_000, 100);
    expect(window.window).toBe(startOctets);
    expect(budget.used).toBe(0);
    expect(window.grant()).toBe(granted);
  });
});

test("a sender and a receiver never come to a halt while the reader takes, whatever is sent, taken and when", () => {
  const act = fc.record({
    send: fc.integer({ min: 1, max: 200_000 }),
    take: fc.integer({ min: 1, max: 300_000 }),
    waitMs: fc.constantFrom(0, 1, 20, 500, 5_000),
  });
  fc.assert(
    fc.property(
      fc.array(act, { minLength: 20, maxLength: 120 }),
      fc.constantFrom(1, 50, 600),
      fc.constantFrom(0, 100_000, 16_777_216),
      (acts, roundTripMs, budgetOctets) => {
        const budget = new GrowthBudget(budgetOctets);
        const out = new SendWindow(startOctets);
        const into = new ReceiveWindow(startOctets, budget);
        let nowMs = 0;
        let arrived = 0;
        const deliver = (octets: number): void => {
          out.use(octets);
          arrived += octets;
          expect(into.receive(octets), "the sender keeps to what it was granted").toBe(true);
        };
        const read = (octets: number): void => {
          if (into.take(octets, nowMs, roundTripMs)) out.raise(into.grant());
        };
        for (const { send, take, waitMs } of acts) {
          nowMs += waitMs;
          if (out.available > 0) deliver(Math.min(send, out.available));
          if (into.held > 0) read(Math.min(take, into.held));
          expect(budget.used).toBe(into.window - startOctets);
          expect(into.window <= Math.max(startOctets, streamMax) && into.window >= startOctets).toBe(true);
        }
        // From here on the reader takes all: another megabyte must get through.
        const before = arrived;
        for (let turn = 0; turn < 100 && arrived < before + 1_048_576; turn += 1) {
          nowMs += roundTripMs;
          if (into.held > 0) read(into.held);
          if (out.available > 0) deliver(Math.min(65_536, out.available));
        }
        expect(arrived >= before + 1_048_576, `${arrived - before} octets got through`).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});
