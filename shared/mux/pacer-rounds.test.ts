// What a round says of its path, and what it must not say: rounds in which we had too little under way judge nothing, late ones count as busy.
import { expect, test } from "vitest";
import { Rounds } from "./pacer-rounds.ts";

/** A round of 60 ms in which 1,000 octets are acknowledged every 10 ms, after one like it. */
function second(change: (rounds: Rounds, ms: number) => void = () => {}): ReturnType<Rounds["end"]> {
  const rounds = new Rounds();
  rounds.sent(0, true, 60, 0);
  for (let ms = 10; ms <= 60; ms += 10) rounds.acked(ms);
  rounds.end(6_000, 0, 60);
  rounds.begin(6_000, 60);
  for (let ms = 70; ms <= 120; ms += 10) {
    rounds.acked(ms);
    change(rounds, ms);
  }
  return rounds.end(12_000, 0, 120);
}

test("a round in which octets left and came back all the time tells the rate of a busy path", () => {
  expect(second()).toEqual({ rate: 100_000, isBusy: true, isEven: true });
});

test("a path that had nothing of ours for an eighth of the round was not busy", () => {
  const pause = (restMs: number) => (rounds: Rounds, ms: number) => {
    if (ms === 80) rounds.idle(ms);
    if (ms === 90) rounds.sent(8_000, false, 60, 80 + restMs);
  };
  expect(second(pause(7))!.isBusy).toBe(true);
  expect(second(pause(9))!.isBusy).toBe(false);
});

test("a pause that lasts to the end of the round counts, and goes on in the next", () => {
  const rounds = new Rounds();
  rounds.begin(0, 0);
  rounds.idle(40);
  expect(rounds.end(1_000, 0, 60)!.isBusy).toBe(false);
  rounds.begin(1_000, 60);
  expect(rounds.end(2_000, 0, 120)!.isBusy).toBe(false);
});

test("the first round after a pause is one in which the path fills: nothing can come back, so it says nothing against the rate", () => {
  const rounds = new Rounds();
  rounds.sent(0, true, 60, 0);
  rounds.acked(60);
  expect(rounds.end(1_000, 0, 60)!.isBusy).toBe(false);
});

test("a pause longer than a round trip ends the open round, so that its time is not counted", () => {
  const rounds = new Rounds();
  rounds.sent(0, true, 60, 0);
  rounds.acked(60);
  rounds.sent(1_000, true, 60, 1_000);
  expect(rounds.startMs).toBe(1_000);
  rounds.acked(1_060);
  rounds.sent(2_000, true, 60, 1_061);
  expect(rounds.startMs).toBe(1_000);
});

test("ACKs that were held up and come at once do not make the path look faster", () => {
  const rounds = new Rounds();
  rounds.begin(0, 0);
  expect(rounds.end(20_000, 0, 200)!.rate).toBe(100_000);
  rounds.begin(20_000, 200);
  expect(rounds.end(40_000, 100_000, 250)!.rate).toBe(100_000);
  rounds.begin(40_000, 250);
  expect(rounds.end(50_000, 100_000, 300)!.rate).toBe(200_000);
});

test("a path that stood still for a quarter of the round was not slow all the time", () => {
  const rounds = new Rounds();
  rounds.begin(0, 0);
  for (const ms of [10, 20, 36, 50, 60]) rounds.acked(ms);
  expect(rounds.end(6_000, 0, 60)!.isEven).toBe(false);
});

test("what is shorter than 10 ms says nothing", () => {
  const rounds = new Rounds();
  rounds.begin(0, 0);
  expect(rounds.end(1_000, 0, 9)).toBeNull();
  expect(rounds.rate(1_000, 9)).toBe(Infinity);
  expect(rounds.rate(1_000, 10)).toBe(100_000);
});
