// Waiting before the next dial: full jitter below a ceiling that depends on how long it has been dark, and the relay's own hint when there is one.
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffCeilingMs, dialDelayMs, refusedCeilingMs, refusedDelayMs } from "./backoff.ts";

const almostOne = (): number => 1 - 2 ** -53;

test.each([
  [0, 0, 500],
  [0, 1, 1_000],
  [1_000, 2, 2_000],
  [29_999, 9, 2_000],
  [30_000, 9, 4_000],
  [299_999, 50, 4_000],
  [300_000, 50, 30_000],
  [86_400_000, 10_000, 30_000],
  [86_400_000, 0, 500],
])("after %d ms of darkness and %d dials the wait is below %d ms", (forMs, attempts, ceilingMs) => {
  expect(dialDelayMs({ forMs, attempts }, () => 0)).toBe(0);
  expect(dialDelayMs({ forMs, attempts }, () => 0.5)).toBe(ceilingMs / 2);
  expect(dialDelayMs({ forMs, attempts }, almostOne)).toBeLessThan(ceilingMs);
});

test("a thousand agents that lost one relay do not come back in one beat", () => {
  const delays = Array.from({ length: 1_000 }, (_value, index) => dialDelayMs({ forMs: 10_000, attempts: 8 }, () => index / 1_000));
  for (let slot = 0; slot < 10; slot += 1) expect(delays.filter((delay) => Math.floor(delay / 200) === slot).length).toBe(100);
});

test("a relay that said when is believed, and spread by a fifth", () => {
  expect(refusedDelayMs(10_000, 3, () => 0)).toBe(10_000);
  expect(refusedDelayMs(10_000, 3, almostOne)).toBeLessThanOrEqual(12_000);
});

test("a relay that refused without a word is asked less and less, up to five minutes", () => {
  expect([0, 1, 4, 8, 9, 100].map((refusals) => refusedDelayMs(0, refusals, () => 0.5) * 2)).toEqual([
    1_000,
    2_000,
    16_000,
    256_000,
    refusedCeilingMs,
    refusedCeilingMs,
  ]);
});

test("no wait is ever negative, endless, or above its ceiling", () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.nat(), fc.nat(), chance, (forMs, attempts, random) => {
      const delay = dialDelayMs({ forMs, attempts }, () => random);
      const refused = refusedDelayMs(0, attempts, () => random);
      expect(delay >= 0 && delay <= backoffCeilingMs && refused >= 0 && refused <= refusedCeilingMs).toBe(true);
    }),
  );
});
