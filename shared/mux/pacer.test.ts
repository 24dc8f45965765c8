// How much may be under way, on simulated paths from a satellite at 8 kB/s to loopback: the path is kept full, and what waits in its queue is little. The
// path is a rate, a delay and a queue; time is an argument throughout.
import { describe, expect, test } from "vitest";
import { FixedPacer } from "./pacer-type.ts";
import { RatePacer } from "./pacer.ts";

interface Path {
  /** Octets per ms. */
  readonly rate: number;
  readonly roundTripMs: number;
}

interface Driven {
  readonly deliveredOctets: number;
  /** Most octets that waited in the path's queue at once, after the first part of the run. */
  readonly queuedMax: number;
  readonly nowMs: number;
}

/** Sends as much as it may for `forMs`, in frames, over the path; what is acknowledged comes back a round trip after it left the queue. */
function drive(pacer: RatePacer, path: Path, options: { readonly fromMs?: number; readonly forMs: number; readonly settleMs?: number }): Driven {
  const fromMs = options.fromMs ?? 0;
  const endMs = fromMs + options.forMs;
  let nowMs = fromMs;
  let sent = sentBefore(pacer);
  let freeAtMs = nowMs;
  let delivered = 0;
  let queuedMax = 0;
  const acks: { atMs: number; total: number }[] = [];
  while (nowMs < endMs) {
    while (acks[0] !== undefined && acks[0].atMs <= nowMs) {
      const { total } = acks.shift()!;
      delivered = total - sentBefore(pacer);
      pacer.acked(total, nowMs);
    }
    for (let octets = Math.min(pacer.allowance(nowMs), pacer.frameOctetsMax()); octets > 0; octets = Math.min(pacer.allowance(nowMs), pacer.frameOctetsMax())) {
      sent += octets;
      freeAtMs = Math.max(nowMs, freeAtMs) + octets / path.rate;
      acks.push({ atMs: freeAtMs + path.roundTripMs, total: sent });
      pacer.sent(octets, nowMs, true);
      if (nowMs > fromMs + (options.settleMs ?? options.forMs / 2)) queuedMax = Math.max(queuedMax, (freeAtMs - nowMs) * path.rate);
    }
    nowMs = Math.min(endMs, acks[0]?.atMs ?? endMs, Math.max(nowMs + 0.01, pacer.nextWakeMs(nowMs)));
  }
  for (const { atMs, total } of acks) pacer.acked(total, atMs);
  starts.set(pacer, sent);
  return { deliveredOctets: delivered, queuedMax, nowMs: Math.max(nowMs, acks.at(-1)?.atMs ?? nowMs) };
}
const starts = new WeakMap<RatePacer, number>();
const sentBefore = (pacer: RatePacer): number => starts.get(pacer) ?? 0;

const paths: readonly (readonly [name: string, path: Path])[] = [
  ["a wide area line, 12.5 MB/s at 60 ms", { rate: 12_500, roundTripMs: 60 }],
  ["a satellite, 1.25 MB/s at 600 ms", { rate: 1_250, roundTripMs: 600 }],
  ["a narrow satellite, 8 kB/s at 600 ms", { rate: 8, roundTripMs: 600 }],
  ["a local line, 100 MB/s at 1 ms", { rate: 100_000, roundTripMs: 1 }],
];

describe.each(paths)("%s", (_name, path) => {
  const forMs = Math.max(5_000, 40 * path.roundTripMs);

  test("is kept full", () => {
    const pacer = new RatePacer(0);
    const first = drive(pacer, path, { forMs });
    const then = drive(pacer, path, { fromMs: first.nowMs, forMs });
    expect(then.deliveredOctets / (path.rate * (forMs - path.roundTripMs))).toBeGreaterThan(0.9);
  });

  test("has its rate and round trip found", () => {
    const pacer = new RatePacer(0);
    drive(pacer, path, { forMs: 2 * forMs });
    expect(pacer.rateBytesPerS / (path.rate * 1_000)).toBeGreaterThan(0.8);
    expect(pacer.rateBytesPerS / (path.rate * 1_000)).toBeLessThan(1.3);
    expect(pacer.minRoundTripMs).toBeGreaterThanOrEqual(path.roundTripMs * 0.95);
  });
});

describe("once it is in its stride", () => {
  test.each(paths.slice(0, 2))("on %s at most two thirds of what the path holds wait in its queue, also after a probe", (_name, path) => {
    const pacer = new RatePacer(0);
    const first = drive(pacer, path, { forMs: 60_000 });
    const then = drive(pacer, path, { fromMs: first.nowMs, forMs: 30_000, settleMs: 0 });
    expect(then.queuedMax / (path.rate * path.roundTripMs)).toBeLessThan(0.67);
  });

  test.each(paths.slice(0, 3))("on %s its beginning never leaves more waiting than four times what the path holds", (_name, path) => {
    const pacer = new RatePacer(0);
    const { queuedMax } = drive(pacer, path, { forMs: 20_000, settleMs: -1 });
    expect(queuedMax / Math.max(path.rate * path.roundTripMs, 16_384)).toBeLessThan(4);
  });
});

describe("whatever the path", () => {
  test("with nothing under way one frame may leave, and the allowance is never negative", () => {
    const pacer = new RatePacer(0);
    expect(pacer.allowance(0)).toBeGreaterThanOrEqual(pacer.frameOctetsMax());
    pacer.sent(10_000_000, 0, true);
    expect(pacer.allowance(0)).toBe(0);
    pacer.acked(10_000_000, 1_000);
    expect(pacer.allowance(1_000)).toBeGreaterThanOrEqual(pacer.frameOctetsMax());
  });

  test("a frame is a quarter of the cap and a message 20 ms, both between 1 and 16 KiB", () => {
    const pacer = new RatePacer(0);
    for (let step = 1; step <= 40; step += 1) {
      pacer.sent(50, step * 1_000, true);
      pacer.acked(step * 50, step * 1_000 + 900);
      expect(pacer.frameOctetsMax()).toBeGreaterThanOrEqual(1_024);
      expect(pacer.frameOctetsMax()).toBeLessThanOrEqual(Math.max(1_024, pacer.capOctets / 4));
      expect(pacer.messageOctetsMax()).toBeGreaterThanOrEqual(1_024);
      expect(pacer.messageOctetsMax()).toBeLessThanOrEqual(65_536);
    }
  });

  test("rounds in which little was to be sent do not age the rate that was found", () => {
    const path = { rate: 1_250, roundTripMs: 100 };
    const pacer = new RatePacer(0);
    let { nowMs } = drive(pacer, path, { forMs: 8_000 });
    const found = pacer.rateBytesPerS;
    let total = sentBefore(pacer);
    for (let keystroke = 0; keystroke < 200; keystroke += 1) {
      total += 40;
      pacer.sent(40, nowMs, true);
      pacer.idle("nothing-to-send", nowMs);
      nowMs += 100;
      pacer.acked(total, nowMs);
      nowMs += 50;
    }
    expect(pacer.rateBytesPerS).toBe(found);
    starts.set(pacer, total);
  });

  test("after idle the old cap is spread over a round trip instead of leaving at once", () => {
    const path = { rate: 1_250, roundTripMs: 400 };
    const pacer = new RatePacer(0);
    const { nowMs } = drive(pacer, path, { forMs: 16_000 });
    const cap = pacer.capOctets;
    const laterMs = nowMs + 10_000;
    pacer.sent(1_000, laterMs, true);
    expect(pacer.allowance(laterMs)).toBeLessThan(cap / 4);
    expect(pacer.nextWakeMs(laterMs)).toBeLessThan(laterMs + 400);
    expect(pacer.allowance(laterMs + 200)).toBeGreaterThan(cap / 4);
    expect(pacer.nextWakeMs(laterMs + 2 * pacer.minRoundTripMs)).toBe(Infinity);
    expect(pacer.allowance(laterMs + 2 * pacer.minRoundTripMs)).toBe(Math.floor(cap) - 1_000);
  });
});

test("a fixed cap is what it says: its octets under way, and one frame when it is smaller than that", () => {
  const pacer = new FixedPacer(10_000);
  expect([pacer.allowance(), pacer.frameOctetsMax(), pacer.nextWakeMs()]).toEqual([10_000, 2_500, Infinity]);
  pacer.sent(9_000);
  expect(pacer.allowance()).toBe(1_000);
  pacer.sent(1_000);
  expect(pacer.allowance()).toBe(0);
  pacer.acked(10_000);
  expect(pacer.allowance()).toBe(10_000);
  expect(new FixedPacer(100).allowance()).toBe(1_024);
});
