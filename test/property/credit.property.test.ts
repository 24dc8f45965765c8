// Windows and their ceilings: what the peer may send and what we hold never exceeds start and growth, growth is counted once and comes back, and a reader that
// stops is not granted above its start. A failing run prints fast-check's seed.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { creditHeldBytesMax, creditHeldMs, creditStreamBytesMax } from "../../shared/wire/limits.ts";
import { GrowthBudget, ReceiveWindow, SendWindow } from "../../shared/mux/credit.ts";

const startOctets = 65_536;

/** A stream whose peer sends all it may, over a path that takes no time. */
class Flow {
  readonly window: ReceiveWindow;
  granted = startOctets;
  received = 0;
  taken = 0;

  constructor(budget: GrowthBudget) {
    this.window = new ReceiveWindow(startOctets, budget);
  }

  receive(octets: number): void {
    const part = Math.min(octets, this.granted - this.received);
    if (part === 0) return;
    expect(this.window.receive(part)).toBe(true);
    this.received += part;
  }

  /** True when a CREDIT left. */
  take(octets: number, nowMs: number, roundTripMs: number): boolean {
    const part = Math.min(octets, this.received - this.taken);
    if (part === 0) return false;
    this.taken += part;
    if (!this.window.take(part, nowMs, roundTripMs)) return false;
    const limit = this.window.grant();
    expect(limit).toBeGreaterThanOrEqual(this.granted);
    this.granted = limit;
    return true;
  }

  /** What a reader on a path of `rate` octets per ms takes, in steps of a ms. */
  read(rate: number, fromMs: number, forMs: number, roundTripMs: number): void {
    for (let ms = 1; ms <= forMs; ms += 1) {
      this.receive(rate);
      this.take(rate, fromMs + ms, roundTripMs);
    }
  }
}

type Step = { readonly flow: number; readonly act: "receive" | "take" | "release" | "ask"; readonly octets: number; readonly waitMs: number };

const step: fc.Arbitrary<Step> = fc.record({
  flow: fc.nat(5),
  act: fc.constantFrom("receive", "receive", "receive", "take", "take", "take", "release", "ask"),
  octets: fc.oneof(fc.nat(2_000), fc.nat(2_000_000)),
  waitMs: fc.oneof(fc.constant(0), fc.nat(40), fc.nat(8_000)),
});

describe("windows under two ceilings", () => {
  test("hold what they promise in any order of events, and give everything back", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(0, 100_000, 3_000_000), fc.constantFrom(50_000, 4_500_000), fc.constantFrom(0.1, 60, 600), (steps, linkMax, processMax, roundTripMs) => {
        const process = new GrowthBudget(processMax);
        const links = [new GrowthBudget(linkMax, process), new GrowthBudget(linkMax, process)];
        const flows = Array.from({ length: 6 }, (_value, index) => new Flow(links[index % 2]!));
        let nowMs = 0;
        for (const { flow: index, act, octets, waitMs } of steps) {
          nowMs += waitMs;
          const flow = flows[index]!;
          if (act === "receive") flow.receive(octets);
          else if (act === "take") flow.take(octets, nowMs, roundTripMs);
          else if (act === "ask") flow.window.isStalled(nowMs);
          else {
            flow.window.release();
            flows[index] = new Flow(links[index % 2]!);
          }
          expect(process.used).toBe(links[0]!.used + links[1]!.used);
          expect(process.used).toBeLessThanOrEqual(processMax);
          for (const [at, link] of links.entries()) {
            const own = flows.filter((_flow, other) => other % 2 === at);
            const above = own.reduce((sum, one) => sum + Math.max(0, one.granted - one.taken - startOctets), 0);
            expect(link.used).toBeLessThanOrEqual(linkMax);
            expect(above, "what peers may send and readers hold is counted").toBeLessThanOrEqual(link.used);
          }
          for (const { window, received, taken } of flows) {
            expect(window.held).toBe(received - taken);
            expect(window.window).toBeGreaterThanOrEqual(startOctets);
            expect(window.window).toBeLessThanOrEqual(creditStreamBytesMax);
          }
        }
        for (const { window } of flows) window.release();
        expect(process.used).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("refuse more than was granted, and are as they were", () => {
    const window = new ReceiveWindow(startOctets, new GrowthBudget(0));
    expect(window.receive(startOctets)).toBe(true);
    expect(window.receive(1)).toBe(false);
    expect(window.held).toBe(startOctets);
  });
});

describe("growth", () => {
  test("lets a cap that doubles per round be what holds a sender back: at least three round trips of what is taken, after a few", () => {
    for (const [rate, roundTripMs] of [[12_500, 60], [1_250, 600], [100_000, 1]] as const) {
      const flow = new Flow(new GrowthBudget(16_777_216));
      flow.read(rate, 0, 20 * Math.max(roundTripMs, 10), roundTripMs);
      const product = rate * Math.max(roundTripMs, 10);
      expect(flow.window.window).toBeGreaterThanOrEqual(Math.min(creditStreamBytesMax, 3 * product));
      expect(flow.window.window).toBeLessThanOrEqual(Math.max(startOctets, 5 * product));
    }
  });

  test("grants in steps of a quarter, so that three quarters of a window are always under way", () => {
    const flow = new Flow(new GrowthBudget(0));
    let most = 0;
    for (let ms = 1; ms < 1_000; ms += 1) {
      flow.receive(1_000);
      flow.take(1_000, ms, 60);
      most = Math.max(most, flow.taken + startOctets - flow.granted);
    }
    expect(most).toBeLessThan(startOctets / 4 + 1_000);
    expect(most).toBeGreaterThan(startOctets / 8);
  });

  test("comes back when a fast stream turns into a slow one: a log that is followed does not keep what its beginning needed", () => {
    const budget = new GrowthBudget(16_777_216);
    const flow = new Flow(budget);
    flow.read(12_500, 0, 1_000, 60);
    expect(budget.used).toBeGreaterThan(2_000_000);
    for (let ms = 1_000; ms < 20_000; ms += 300) {
      flow.receive(200);
      flow.take(flow.received - flow.taken, ms, 60);
    }
    // What the peer was granted it may send: the rest of that is all that is still counted.
    expect(flow.window.window).toBe(startOctets);
    expect(budget.used).toBe(Math.max(0, flow.granted - flow.taken - startOctets));
  });

  test("is not renewed for a reader that stopped taking: it is granted nothing until it holds less than its start", () => {
    const flow = new Flow(new GrowthBudget(16_777_216));
    flow.read(12_500, 0, 1_000, 60);
    flow.receive(Infinity);
    const { granted } = flow;
    let nowMs = 10_000;
    for (; flow.window.held > startOctets; nowMs += 2_000) {
      flow.take(20_000, nowMs, 60);
      expect(flow.granted).toBe(granted);
    }
    flow.take(startOctets, nowMs, 60);
    expect(flow.granted).toBeGreaterThan(granted);
    expect(flow.granted - flow.taken).toBe(startOctets);
  });

  test("is shared: what one stream has, another of the link or of the process has not", () => {
    const process = new GrowthBudget(5_000_000);
    const [one, other] = [new GrowthBudget(16_777_216, process), new GrowthBudget(16_777_216, process)];
    const first = new Flow(one);
    first.read(20_000, 0, 2_000, 300);
    expect(process.isReached).toBe(true);
    const second = new Flow(other);
    second.read(20_000, 0, 2_000, 300);
    expect(first.window.window).toBe(creditStreamBytesMax);
    expect(second.window.window).toBe(startOctets + 5_000_000 - one.used);
    first.window.release();
    second.read(20_000, 2_000, 2_000, 300);
    expect(second.window.window).toBe(creditStreamBytesMax);
  });
});

describe("a stream that holds its window", () => {
  /** It has grown, and then its reader stops with everything that was granted. */
  function stopped(budget: GrowthBudget): Flow {
    const flow = new Flow(budget);
    flow.read(12_500, 0, 1_000, 60);
    flow.receive(Infinity);
    return flow;
  }

  test("has to go five seconds after the ceiling was reached", () => {
    const flow = stopped(new GrowthBudget(4_194_304));
    expect(flow.window.held).toBeGreaterThan(creditHeldBytesMax);
    expect(flow.window.isStalled(10_000)).toBe(false);
    expect(flow.window.isStalled(10_000 + creditHeldMs - 1)).toBe(false);
    expect(flow.window.isStalled(10_000 + creditHeldMs)).toBe(true);
  });

  test("may stay while there is room", () => {
    const flow = stopped(new GrowthBudget(16_777_216));
    for (let ms = 10_000; ms < 60_000; ms += 1_000) expect(flow.window.isStalled(ms)).toBe(false);
  });

  test("may stay while its reader goes on, however far behind it is", () => {
    const flow = stopped(new GrowthBudget(4_194_304));
    for (let ms = 10_000; ms < 60_000; ms += 1_000) {
      expect(flow.window.isStalled(ms)).toBe(false);
      flow.take(flow.window.held / 2, ms, 60);
      flow.receive(Infinity);
      expect(flow.window.held).toBeGreaterThan(creditHeldBytesMax / 8);
    }
  });

  test("may stay when it holds no more than its start", () => {
    const budget = new GrowthBudget(4_194_304);
    stopped(budget);
    const small = new Flow(budget);
    small.receive(Infinity);
    for (let ms = 10_000; ms < 60_000; ms += 1_000) expect(small.window.isStalled(ms)).toBe(false);
  });
});

describe("what may be sent", () => {
  test("rises with a CREDIT, never falls with a lower one, and tells when a stream was freed", () => {
    const window = new SendWindow(100);
    window.use(100);
    expect(window.available).toBe(0);
    expect(window.raise(100)).toBe(false);
    expect(window.raise(50)).toBe(false);
    expect(window.raise(150)).toBe(true);
    expect(window.available).toBe(50);
    expect(window.raise(160)).toBe(false);
    expect(() => window.use(61)).toThrow();
  });
});
