// What a claim means after a restart, row by row: a probe before any judgement, no start unless the deadline is surely ahead, poison at the fifth restart
// that was not clean, and never "failed" for what may be running.
import { describe, expect, test } from "vitest";
import { afterProbe, deadlineVerdict, recoveryAct, uncleanRestartsMax, type DeadlineVerdict } from "./recovery.ts";

const deadlines: readonly DeadlineVerdict[] = ["ahead", "passed", "unclear"];

test("a deadline inside the clock's error, or without a clock, is unclear", () => {
  expect(deadlineVerdict({ nowMs: 899, errorMs: 100 }, 1_000)).toBe("ahead");
  expect(deadlineVerdict({ nowMs: 900, errorMs: 100 }, 1_000)).toBe("unclear");
  expect(deadlineVerdict({ nowMs: 1_100, errorMs: 100 }, 1_000)).toBe("unclear");
  expect(deadlineVerdict({ nowMs: 1_101, errorMs: 100 }, 1_000)).toBe("passed");
  expect(deadlineVerdict(null, 1_000)).toBe("unclear");
});

describe("a claim that a restart finds", () => {
  test("of a kind that starts at most once is of unknown outcome, always", () => {
    for (const deadline of deadlines) for (const uncleanRestarts of [0, 1, 9]) expect(recoveryAct({ repeatability: "neither", uncleanRestarts, deadline })).toBe("unknown");
  });

  test("of a verifiable kind is probed before anything else is judged", () => {
    for (const deadline of deadlines) for (const uncleanRestarts of [0, 1, 9]) expect(recoveryAct({ repeatability: "verifiable", uncleanRestarts, deadline })).toBe("probe");
  });

  test("of an idempotent kind runs again before its deadline, waits while that is unclear, never runs again behind it", () => {
    expect(deadlines.map((deadline) => recoveryAct({ repeatability: "idempotent", uncleanRestarts: 1, deadline }))).toEqual(["runAgain", "unknown", "wait"]);
  });

  test("is given up at the fifth unclean restart and not at the fourth", () => {
    expect(uncleanRestartsMax).toBe(5);
    expect([4, 5].map((uncleanRestarts) => recoveryAct({ repeatability: "idempotent", uncleanRestarts, deadline: "ahead" }))).toEqual(["runAgain", "poison"]);
  });
});

describe("a probe's answer", () => {
  const judge = (answer: Parameters<typeof afterProbe>[0], rest: Partial<Parameters<typeof afterProbe>[1]> = {}): string => afterProbe(answer, { uncleanRestarts: 1, deadline: "ahead", hasEffect: false, ...rest });

  test("that it ended is the outcome, however often the agent restarted and whatever the time", () => {
    for (const deadline of deadlines) expect(judge("ended", { deadline, uncleanRestarts: 9, hasEffect: true })).toBe("adopt");
  });

  test("that it runs is watched to its end; at the fifth restart it is unknown, never failed", () => {
    expect([judge("running", { deadline: "passed" }), judge("running", { uncleanRestarts: 5 })]).toEqual(["watch", "unknown"]);
  });

  test("that it is absent starts it only when it never began and its deadline is surely ahead", () => {
    expect(deadlines.map((deadline) => judge("absent", { deadline }))).toEqual(["start", "unknown", "wait"]);
  });

  test("that it is absent although it had begun is unknown: somebody deleted it", () => {
    for (const deadline of deadlines) expect(judge("absent", { deadline, hasEffect: true })).toBe("unknown");
    expect(judge("absent", { hasEffect: true, uncleanRestarts: 5 })).toBe("unknown");
  });

  test("that it never began gives it up at the fifth restart", () => {
    expect(judge("absent", { uncleanRestarts: 5 })).toBe("poison");
  });
});
