// Doubling: how the cap grows in the first rounds, and when that ends.
import { expect, test } from "vitest";
import { Startup } from "./pacer-startup.ts";

test("the cap doubles per round while it is in use", () => {
  const startup = new Startup();
  startup.acked(16_384, 16_384, 0);
  expect(startup.capOctets).toBe(32_768);
  startup.acked(32_768, 32_768, 0);
  expect(startup.capOctets).toBe(65_536);
});

test("a cap that is half used does not grow", () => {
  const startup = new Startup();
  startup.acked(8_192, 8_192, 0);
  expect(startup.capOctets).toBe(16_384);
});

test("the cap stays near what was delivered in a round trip", () => {
  const startup = new Startup();
  startup.acked(1_000_000, 1_000_000, 10_000);
  expect(startup.capOctets).toBe(40_000);
});

test("it ends after three rounds that gained less than a quarter", () => {
  const startup = new Startup();
  for (const rate of [100, 130, 140, 145]) startup.judge(rate, 1);
  expect(startup.isOver).toBe(false);
  startup.judge(160, 1);
  expect(startup.isOver).toBe(true);
});

test("a round without gain ends it at once when its round trip shows a queue, and meanwhile the cap stays", () => {
  const startup = new Startup();
  startup.judge(100, 2);
  startup.acked(16_384, 16_384, 0);
  expect([startup.isOver, startup.capOctets]).toEqual([false, 16_384]);
  startup.judge(110, 2);
  expect(startup.isOver).toBe(true);
});

test("begun again with a known end it goes no further, and is over there", () => {
  const startup = new Startup();
  startup.again(50_000, 100, 120_000);
  startup.acked(50_000, 50_000, 100_000);
  startup.judge(200, 1);
  startup.acked(100_000, 100_000, 100_000);
  expect(startup.capOctets).toBe(120_000);
  startup.judge(210, 1);
  expect(startup.isOver).toBe(true);
});
