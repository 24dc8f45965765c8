// Is the peer alive: who asks when, who judges when, and that a verdict is never given by a process that was itself asleep.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Keepalive } from "./keepalive.ts";

/** Ticks every 10 ms from `fromMs`; what is due, and when. */
function watch(keepalive: Keepalive, fromMs: number, untilMs: number): string[] {
  const acts: string[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 10) {
    const act = keepalive.tick(nowMs);
    if (act !== null) acts.push(`${act} ${nowMs}`);
    if (act === "dead") break;
  }
  return acts;
}

const relay = (random = 0.5): Keepalive => new Keepalive(true, () => random, 0);
const agent = (): Keepalive => new Keepalive(false, () => 0.5, 0);

describe("a link that owes nothing", () => {
  test("is pinged by the relay once, after 33 to 35 s of silence, and judged 10 s later", () => {
    expect(watch(relay(0), 0, 100_000)).toEqual(["ping 33000", "dead 43000"]);
    expect(watch(relay(0.5), 0, 100_000)).toEqual(["ping 34000", "dead 44000"]);
    expect(watch(relay(0.999_999), 0, 100_000)).toEqual(["ping 35000", "dead 45000"]);
  });

  test("is never pinged by the agent, which judges after 45 s of silence", () => {
    expect(watch(agent(), 0, 100_000)).toEqual(["dead 45000"]);
  });

  test("begins anew with every octet that comes, and the next ping is drawn anew", () => {
    let drawn = 0;
    const keepalive = new Keepalive(true, () => (drawn += 0.25) - 0.25, 0);
    expect(watch(keepalive, 0, 33_000)).toEqual(["ping 33000"]);
    keepalive.heard(33_500);
    expect(watch(keepalive, 33_500, 200_000)).toEqual(["ping 67000", "dead 77000"]);
  });

  test("is alive by octets of a message that is not whole yet, and not by a count that stands still", () => {
    const keepalive = agent();
    keepalive.octetsSeen(100, 30_000);
    keepalive.octetsSeen(100, 44_000);
    expect(watch(keepalive, 44_000, 200_000)).toEqual(["dead 75000"]);
  });
});

describe("a link that owes something", () => {
  test.each([
    ["relay", relay],
    ["agent", agent],
  ])("is pinged by the %s after 5 s of silence and judged at 13 s", (_role, make) => {
    const keepalive = make();
    keepalive.setOwed(true, 0);
    expect(watch(keepalive, 0, 100_000)).toEqual(["ping 5000", "dead 13000"]);
  });

  test("has its silence counted from when the debt began: who was quiet for half a minute is not dead the moment it is asked", () => {
    const keepalive = agent();
    keepalive.setOwed(true, 30_000);
    expect(watch(keepalive, 30_000, 100_000)).toEqual(["ping 35000", "dead 43000"]);
  });

  test("that says anything at all has another 13 s", () => {
    const keepalive = agent();
    keepalive.setOwed(true, 0);
    expect(watch(keepalive, 0, 12_000)).toEqual(["ping 5000"]);
    keepalive.heard(12_000);
    expect(watch(keepalive, 12_000, 100_000)).toEqual(["ping 17000", "dead 25000"]);
  });

  test("and then owes no more goes back to the quiet rule", () => {
    const keepalive = agent();
    keepalive.setOwed(true, 0);
    keepalive.setOwed(false, 4_000);
    expect(watch(keepalive, 4_000, 100_000)).toEqual(["dead 45000"]);
  });

  test("is owed since the debt began, however often it is said that it is", () => {
    const keepalive = agent();
    const acts: string[] = [];
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 100) {
      keepalive.setOwed(true, nowMs);
      const act = keepalive.tick(nowMs);
      if (act !== null) acts.push(`${act} ${nowMs}`);
      if (act === "dead") break;
    }
    expect(acts).toEqual(["ping 5000", "dead 13000"]);
  });
});

describe("a tick that comes late", () => {
  test("gives the socket one second before it judges, and judges then", () => {
    const keepalive = agent();
    expect(keepalive.tick(60_000)).toBe(null);
    expect(keepalive.nextWakeMs()).toBe(61_000);
    expect(keepalive.tick(60_900)).toBe(null);
    expect(keepalive.tick(61_000)).toBe("dead");
  });

  test("and finds octets that waited is no verdict", () => {
    const keepalive = agent();
    expect(keepalive.tick(60_000)).toBe(null);
    keepalive.octetsSeen(1, 60_001);
    expect(watch(keepalive, 60_001, 200_000)).toEqual(["dead 105001"]);
  });

  test("by less than half a second judges at once", () => {
    expect(agent().tick(45_400)).toBe("dead");
  });

  test("is given no second grace for the same silence", () => {
    const keepalive = agent();
    expect(keepalive.tick(60_000)).toBe(null);
    expect(keepalive.tick(70_000)).toBe("dead");
  });
});

test("waking only when it says so misses nothing: pings and verdicts come at the same times as with a tick every 10 ms", () => {
  const step = fc.record({ afterMs: fc.integer({ min: 10, max: 60_000 }), what: fc.constantFrom("heard", "owed", "settled", "octets") });
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 8 }), (isRelay, steps) => {
      const run = (next: (keepalive: Keepalive, nowMs: number) => number): string[] => {
        const keepalive = new Keepalive(isRelay, () => 0.5, 0);
        const acts: string[] = [];
        let nowMs = 0;
        let octets = 0;
        const until = (untilMs: number): boolean => {
          while (nowMs < untilMs) {
            nowMs = Math.min(untilMs, next(keepalive, nowMs));
            const act = keepalive.tick(nowMs);
            if (act !== null) acts.push(`${act} ${Math.round(nowMs / 10)}`);
            if (act === "dead") return true;
          }
          return false;
        };
        for (const { afterMs, what } of steps) {
          if (until(nowMs + Math.round(afterMs / 10) * 10)) return acts;
          if (what === "heard") keepalive.heard(nowMs);
          if (what === "octets") keepalive.octetsSeen((octets += 1), nowMs);
          if (what === "owed" || what === "settled") keepalive.setOwed(what === "owed", nowMs);
        }
        until(nowMs + 100_000);
        return acts;
      };
      const often = run((_keepalive, nowMs) => nowMs + 10);
      const seldom = run((keepalive, nowMs) => Math.max(nowMs + 0.001, keepalive.nextWakeMs()));
      expect(seldom).toEqual(often);
    }),
    { numRuns: 60 },
  );
});

describe("a round trip", () => {
  test("is that of the first ping that is under way, told once", () => {
    const keepalive = new Keepalive(true, () => 0, 0);
    const first = keepalive.mark(1_000);
    expect(keepalive.mark(2_000)).toBe(first); // a path with a queue of seconds
    expect([keepalive.answered(first, 3_500), keepalive.answered(first, 4_500)]).toEqual([2_500, null]);
    expect(keepalive.mark(5_000)).toBe(first + 1);
  });

  test("is of no PONG that answers nothing", () => {
    const keepalive = new Keepalive(false, () => 0, 0);
    expect([keepalive.answered(0, 10), keepalive.answered(1, 10)]).toEqual([null, null]);
  });

  test("is marked by one octet, however many went before", () => {
    const keepalive = new Keepalive(true, () => 0, 0);
    const marks = Array.from({ length: 200 }, (_, index) => {
      const mark = keepalive.mark(index);
      expect(keepalive.answered(mark, index + 1)).toBe(1);
      return mark;
    });
    expect([Math.min(...marks), Math.max(...marks)]).toEqual([1, 63]);
  });
});
