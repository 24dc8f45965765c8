// The time limit that ends with what it limits, on a clock moved by hand.
import { expect, test } from "vitest";
import { ceiling, type Clock } from "./clock.ts";

function handClock(): { clock: Clock; armed: Set<() => void> } {
  const armed = new Set<() => void>();
  const clock: Clock = {
    wallMs: () => 0,
    monoMs: () => 0,
    after(_delayMs, wake) {
      armed.add(wake);
      return () => void armed.delete(wake);
    },
  };
  return { clock, armed };
}

test("a ceiling that is reached aborts with a TimeoutError", () => {
  const { clock, armed } = handClock();
  const limit = ceiling(clock, 1_500);
  for (const wake of armed) wake();
  expect(limit.signal.aborted).toBe(true);
  expect(limit.signal.reason).toMatchObject({ name: "TimeoutError", message: "it did not end within 1.5 s" });
});

test("a ceiling that is cleared leaves no timer and never aborts", () => {
  const { clock, armed } = handClock();
  const limit = ceiling(clock, 1_500);
  limit.clear();
  expect([armed.size, limit.signal.aborted]).toEqual([0, false]);
});
