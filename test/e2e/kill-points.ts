// Where the e2e ring kills real processes, by the names that the code has for these points; what a process has to be asked before it comes to some of them. Held
// against the code by ../crash-points.test.ts: no named point is left out.
import type { CrashPoint } from "../../shared/kit/crash.ts";

export interface KillPoint {
  readonly side: "agent" | "relay";
  readonly point: CrashPoint;
  /** Of the six that the claim names (`-t "(claim)"`). */
  readonly isClaim?: true;
  /** Passed by every commit: the how-manyeth is drawn from the round. */
  readonly isEachCommit?: true;
  /** Beside an order of each kind. */
  readonly needs?: "a large order" | "a newer order" | "a late order" | "old records";
}

export const KILL_POINTS: readonly KillPoint[] = [
  { side: "agent", point: "after-claim", isClaim: true },
  { side: "agent", point: "effect-before-outcome", isClaim: true },
  { side: "agent", point: "receipt-before-purge", isClaim: true },
  { side: "relay", point: "result-before-receipt", isClaim: true },
  { side: "relay", point: "commit-before-answer", isClaim: true },
  { side: "relay", point: "offered-before-send", isClaim: true },
  { side: "agent", point: "letter-before-insert" },
  { side: "agent", point: "insert-before-commit", isEachCommit: true },
  { side: "agent", point: "committed-before-receipt" },
  { side: "agent", point: "receipt-sent" },
  { side: "agent", point: "before-claim" },
  { side: "agent", point: "effect-half-done" },
  { side: "agent", point: "outcome-before-send" },
  { side: "agent", point: "after-send" },
  { side: "agent", point: "letter-half-arrived", needs: "a large order" },
  { side: "agent", point: "inside-purge", needs: "old records" },
  { side: "relay", point: "parsed-before-commit" },
  { side: "relay", point: "insert-before-commit", isEachCommit: true },
  { side: "relay", point: "seq-drawn" },
  { side: "relay", point: "inside-supersede", needs: "a newer order" },
  { side: "relay", point: "inside-expiry", needs: "a late order" },
  { side: "relay", point: "letter-half-sent", needs: "a large order" },
  { side: "relay", point: "after-send" },
  { side: "relay", point: "receipt-before-commit" },
  { side: "relay", point: "result-before-commit" },
  { side: "relay", point: "receipt-sent" },
  { side: "relay", point: "inside-purge", needs: "old records" },
];

/** Passed by a first start only: kills-at-start.test.ts has them. */
export const START_POINTS: readonly CrashPoint[] = ["migration-step", "insert-before-commit"];
