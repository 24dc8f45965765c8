// When the round trip is probed, and what a probe changes: the minimum may rise only then, and never to what our own queue made of it.
import { expect, test } from "vitest";
import { RoundTrips } from "./pacer-probe.ts";

const sure = { isSlow: false, isInDoubt: false };
const doubt = { isSlow: true, isInDoubt: true };

function known(ms: number): RoundTrips {
  const trips = new RoundTrips(0);
  trips.learn(ms, true, 0);
  return trips;
}

/** Has one probe take `ms`; true when it was the last. */
function probe(trips: RoundTrips, ms: number, nowMs: number, rates = sure): boolean {
  trips.mayProbe(rates, nowMs);
  expect([trips.isDraining, trips.isHeld]).toEqual([true, true]);
  trips.left(rates.isInDoubt, 1_000);
  expect([trips.isDraining, trips.isHeld]).toEqual([false, rates.isInDoubt]);
  return trips.came(ms, nowMs);
}

test("any sample may lower the round trip, only a probe may raise it", () => {
  const trips = known(60);
  trips.learn(70, true, 1);
  expect(trips.leastMs).toBe(60);
  trips.learn(55, false, 2);
  expect(trips.leastMs).toBe(55);
  expect(probe(trips, 60, 20_000)).toBe(true);
  expect(trips.leastMs).toBe(60);
});

test("a probe is due after ten seconds, counted from the last time the round trip was found", () => {
  const trips = known(60);
  trips.learn(59, true, 5_000);
  trips.mayProbe(sure, 14_999);
  expect(trips.isProbing).toBe(false);
  trips.mayProbe(sure, 15_000);
  expect(trips.isProbing).toBe(true);
});

test("a doubt does not wait for that, and slow rounds that may become one keep it waiting", () => {
  const trips = known(60);
  trips.mayProbe({ isSlow: true, isInDoubt: false }, 20_000);
  expect(trips.isProbing).toBe(false);
  trips.mayProbe(doubt, 1);
  expect(trips.isProbing).toBe(true);
});

test("a doubt right after a probe waits for five round trips", () => {
  const trips = known(60);
  probe(trips, 60, 10_000);
  trips.mayProbe(doubt, 10_299);
  expect(trips.isProbing).toBe(false);
  trips.mayProbe(doubt, 10_300);
  expect(trips.isProbing).toBe(true);
});

test("a probe that says much less is repeated until it no longer falls", () => {
  const trips = known(200);
  expect(probe(trips, 110, 10_000)).toBe(false);
  expect(probe(trips, 62, 10_200)).toBe(false);
  expect(probe(trips, 60, 10_300)).toBe(true);
  expect(trips.leastMs).toBe(60);
});

test("a probe that says much more is repeated once: a path that stood still is not a longer one", () => {
  const trips = known(60);
  expect(probe(trips, 400, 10_000)).toBe(false);
  expect(trips.leastMs).toBe(60);
  expect(probe(trips, 61, 10_500)).toBe(true);
  expect(trips.leastMs).toBe(61);
  expect(probe(trips, 400, 30_000)).toBe(false);
  expect(probe(trips, 380, 31_000)).toBe(true);
  expect(trips.leastMs).toBe(380);
});

test("a probe that judges a doubt is believed at once: the slow rounds saw as much", () => {
  const trips = known(60);
  expect(probe(trips, 200, 1, doubt)).toBe(true);
  expect(trips.leastMs).toBe(200);
});
