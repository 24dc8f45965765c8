// Waiting: a pause ends with its time or with its signal, a ceiling with what it limits; neither leaves a timer or a listener behind.
import { expect, test } from "vitest";
import { ceiling, pause, systemClock, type Clock } from "./clock.ts";

/** A clock that is moved by hand. */
function handClock(): Clock & { wake: () => void; readonly waiting: number } {
  const timers = new Set<() => void>();
  return {
    wallMs: () => 0,
    monoMs: () => 0,
    after(_delayMs, wake) {
      timers.add(wake);
      return () => void timers.delete(wake);
    },
    wake() {
      for (const timer of timers) {
        timers.delete(timer);
        timer();
      }
    },
    get waiting() {
      return timers.size;
    },
  };
}

test("a pause ends when its time is over", async () => {
  const clock = handClock();
  const waited = pause(clock, 1_000, new AbortController().signal);
  clock.wake();
  await waited;
  expect(clock.waiting).toBe(0);
});

test("a pause that is given up rejects with the signal's reason and takes its timer along", async () => {
  const clock = handClock();
  const abort = new AbortController();
  const waited = pause(clock, 1_000, abort.signal);
  const reason = new Error("stopped");
  abort.abort(reason);
  await expect(waited).rejects.toBe(reason);
  expect(clock.waiting).toBe(0);
  await expect(pause(clock, 1_000, abort.signal)).rejects.toBe(reason);
  expect(clock.waiting).toBe(0);
});

test("a pause that ended listens to its signal no more", async () => {
  const clock = handClock();
  const abort = new AbortController();
  let listeners = 0;
  const signal = new Proxy(abort.signal, {
    get(target, name) {
      if (name === "addEventListener") listeners += 1;
      if (name === "removeEventListener") listeners -= 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const waited = pause(clock, 1_000, signal);
  expect(listeners).toBe(1);
  clock.wake();
  await waited;
  expect(listeners).toBe(0);
});

test("the system's clock wakes once, or not when it was called off, and never goes back", async () => {
  const before = systemClock.monoMs();
  let woken = 0;
  systemClock.after(0, () => (woken += 1))();
  await new Promise<void>((resolve) => void systemClock.after(1, resolve));
  expect(woken).toBe(0);
  expect(systemClock.monoMs()).toBeGreaterThan(before);
  expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(10_000);
});

test("a ceiling that is reached aborts with a TimeoutError", () => {
  const clock = handClock();
  const limit = ceiling(clock, 1_500);
  clock.wake();
  expect(limit.signal.aborted).toBe(true);
  expect(limit.signal.reason).toMatchObject({ name: "TimeoutError", message: "it did not end within 1.5 s" });
});

test("a ceiling that is cleared leaves no timer and never aborts", () => {
  const clock = handClock();
  const limit = ceiling(clock, 1_500);
  limit.clear();
  expect([clock.waiting, limit.signal.aborted]).toEqual([0, false]);
});
