// What a path is believed to deliver, and what it takes to believe less.
import { describe, expect, test } from "vitest";
import { RateMemory, type RoundSample } from "./pacer-rate.ts";

const busy = (rate: number, rest: Partial<RoundSample> = {}): RoundSample => ({ rate, roundTripMs: 60, isBusy: true, isLate: false, isEven: false, ...rest });

function after(...rounds: RoundSample[]): RateMemory {
  const rates = new RateMemory();
  for (const round of rounds) rates.learn(round);
  return rates;
}

describe("the rate", () => {
  test("is the maximum of ten rounds", () => {
    const rates = after(busy(1_000));
    for (let count = 0; count < 9; count += 1) rates.learn(busy(950));
    expect(rates.best).toBe(1_000);
    rates.learn(busy(950));
    expect(rates.best).toBe(950);
  });

  test("may be raised by a round in which the path was not busy, and is never aged by one", () => {
    const rates = after(busy(1_000));
    for (let count = 0; count < 50; count += 1) rates.learn(busy(10, { isBusy: false }));
    expect(rates.best).toBe(1_000);
    expect(rates.isInDoubt).toBe(false);
    rates.learn(busy(1_100, { isBusy: false }));
    expect(rates.best).toBe(1_100);
  });

  test("is in doubt after three slow rounds in a row, and stays what it was", () => {
    const rates = after(busy(1_000), busy(500), busy(500));
    expect([rates.isSlow, rates.isInDoubt]).toEqual([true, false]);
    rates.learn(busy(500));
    expect(rates.isInDoubt).toBe(true);
    expect(rates.best).toBe(1_000);
  });

  test("is not in doubt because a path stood still once", () => {
    expect(after(busy(1_000), busy(200, { isLate: true }), busy(1_000), busy(200), busy(200), busy(950)).isInDoubt).toBe(false);
  });

  test("is in doubt after one round that was late though octets came all the time", () => {
    expect(after(busy(1_000), busy(500, { isLate: true, isEven: true })).isInDoubt).toBe(true);
  });

  test("rises when three rounds in a row gained", () => {
    expect(after(busy(1_000), busy(1_080), busy(1_160)).isRising).toBe(true);
    expect(after(busy(1_000), busy(1_080), busy(1_090)).isRising).toBe(false);
  });
});

describe("a probe", () => {
  const slow = (roundTripMs: number): RateMemory => after(busy(1_000), ...Array.from({ length: 3 }, () => busy(500, { roundTripMs })));

  test("that finds the round trip shorter than the slow rounds' says that the path is slower: they had a queue", () => {
    const rates = slow(200);
    expect(rates.settle(60, 480)).toBe("slower");
    expect(rates.best).toBe(480);
    expect(rates.isInDoubt).toBe(false);
  });

  test("that finds the slow rounds' own says that the path is longer: their rate was bound by what was under way", () => {
    const rates = slow(200);
    expect(rates.settle(200, 100)).toBe("longer");
    expect(rates.best).toBe(500);
  });

  test("during which the path stood still does not make the rate as small as that", () => {
    const rates = slow(200);
    rates.settle(60, 0);
    expect(rates.best).toBe(250);
  });

  test("without a doubt changes nothing", () => {
    const rates = after(busy(1_000), busy(500));
    expect(rates.settle(60, 500)).toBe("same");
    expect(rates.best).toBe(1_000);
  });
});
