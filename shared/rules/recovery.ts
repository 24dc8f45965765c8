// What a claim without an outcome means after a restart, and what the cluster's answer to a probe means (delivery section 3). A verifiable command is probed
// before anything else is judged; nothing is started unless the deadline is surely ahead; what may be running is never called failed. Pure.
import type { Repeatability } from "./command-kinds.ts";

/** Restarts without a clean stop that one command survives. At this one (the fifth) it is given up: it may be what kills the agent. */
export const uncleanRestartsMax = 5;

/** The deadline against the estimate of the time: unclear is inside the error, or the clock is unknown; then everything that would start waits. */
export type DeadlineVerdict = "ahead" | "passed" | "unclear";

export function deadlineVerdict(now: { readonly nowMs: number; readonly errorMs: number } | null, deadlineMs: number): DeadlineVerdict {
  if (now === null) return "unclear";
  if (now.nowMs + now.errorMs < deadlineMs) return "ahead";
  return now.nowMs - now.errorMs > deadlineMs ? "passed" : "unclear";
}

export interface Claimed {
  readonly repeatability: Repeatability;
  readonly uncleanRestarts: number;
  readonly deadline: DeadlineVerdict;
}

/** probe: ask the cluster, then `afterProbe` · wait: judge again later · poison: given up, and surely not running. */
export type RecoveryAct = "runAgain" | "probe" | "wait" | "unknown" | "poison";

export function recoveryAct(claimed: Claimed): RecoveryAct {
  switch (claimed.repeatability) {
    case "neither":
      return "unknown";
    case "verifiable":
      return "probe";
    case "idempotent":
      if (claimed.uncleanRestarts >= uncleanRestartsMax) return "poison";
      return claimed.deadline === "ahead" ? "runAgain" : claimed.deadline === "passed" ? "unknown" : "wait";
  }
}

/** What the cluster knows of a verifiable command. */
export type ProbeAnswer = "ended" | "running" | "absent";
/** adopt: its end is the command's end · watch: it runs, wait for its end · start: it never began and may. */
export type ProbeAct = "adopt" | "watch" | "start" | "wait" | "unknown" | "poison";

/** `hasEffect`: the cluster had acknowledged the beginning, so what is absent was deleted by somebody, and not "never started". */
export function afterProbe(answer: ProbeAnswer, claimed: Omit<Claimed, "repeatability"> & { readonly hasEffect: boolean }): ProbeAct {
  const isPoison = claimed.uncleanRestarts >= uncleanRestartsMax;
  if (answer === "ended") return "adopt";
  if (answer === "running") return isPoison ? "unknown" : "watch";
  if (claimed.hasEffect) return "unknown";
  if (isPoison) return "poison";
  return claimed.deadline === "ahead" ? "start" : claimed.deadline === "passed" ? "unknown" : "wait";
}
