// The wait between dials on a clock moved by hand: over with its time, or as soon as the network is another.
import { expect, test } from "vitest";
import type { Clock } from "../shared/kit/clock.ts";
import { networkFingerprint, pauseOrChange } from "./network.ts";

function stage(): { clock: Clock; readonly nowMs: number } {
  const state = { nowMs: 0 };
  const clock: Clock = {
    wallMs: () => 0,
    monoMs: () => state.nowMs,
    after(delayMs, wake) {
      let isOff = false;
      setImmediate(() => {
        if (isOff) return;
        state.nowMs += delayMs;
        wake();
      });
      return () => (isOff = true);
    },
  };
  return {
    clock,
    get nowMs() {
      return state.nowMs;
    },
  };
}

const never = new AbortController().signal;

test("an unchanged network is waited out in full", async () => {
  const at = stage();
  await pauseOrChange(at.clock, 30_000, never, () => "same");
  expect(at.nowMs).toBe(30_000);
});

test("a change ends the wait within one look", async () => {
  const at = stage();
  await pauseOrChange(at.clock, 300_000, never, () => (at.nowMs >= 7_000 ? "cable" : "no cable"));
  expect(at.nowMs).toBe(8_000);
});

test("a short wait does not look at all", async () => {
  const at = stage();
  let looks = 0;
  await pauseOrChange(at.clock, 500, never, () => String((looks += 1)));
  expect([at.nowMs, looks]).toEqual([500, 0]);
});

test("the signal ends it", async () => {
  const at = stage();
  const reason = new Error("stopped");
  await expect(pauseOrChange(at.clock, 30_000, AbortSignal.abort(reason), () => "same")).rejects.toBe(reason);
});

test("the fingerprint of a network at rest stays", () => {
  expect(networkFingerprint()).toBe(networkFingerprint());
  expect(networkFingerprint().length).toBeGreaterThan(20);
});
