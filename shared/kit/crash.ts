// Named points at which tests kill the process (delivery.md section 7), compiled in for good so that what is tested is what is shipped. Does
// nothing unless armed by argument; works in the store's worker too. The kill is SIGKILL: no handler, no flush, as a power cut of the process.

export const CRASH_POINTS = [
  // relay
  "parsed-before-commit",
  "commit-before-answer",
  "seq-drawn",
  "inside-supersede",
  "inside-expiry",
  "offered-before-send",
  "receipt-before-commit",
  "result-before-commit",
  "result-before-receipt",
  // agent
  "letter-before-insert",
  "insert-before-commit",
  "committed-before-receipt",
  "before-claim",
  "after-claim",
  "effect-half-done",
  "effect-before-outcome",
  "outcome-before-send",
  "receipt-before-purge",
  // both
  "after-send",
  "letter-half-sent",
  "letter-half-arrived",
  "receipt-sent",
  "inside-purge",
  "migration-step",
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

/** `NAME` or `NAME:N` (the Nth time it is passed). */
export interface CrashPlan {
  readonly point: CrashPoint;
  readonly hits: number;
}

let armed: CrashPlan | null = null;
let passed = 0;
let passing: ((point: CrashPoint) => void) | null = null;

/** For the simulator, where many processes share this one: told of every point as it is passed, and may end the one that passes it by an exception. Null: nobody is told. */
export function onCrashPoint(tell: ((point: CrashPoint) => void) | null): void {
  passing = tell;
}

export function armCrashPoint(plan: CrashPlan | null): void {
  armed = plan;
  passed = 0;
}

export function armedCrashPoint(): CrashPlan | null {
  return armed;
}

export function parseCrashPlan(text: string): CrashPlan {
  const [name, hits] = text.split(":");
  const point = CRASH_POINTS.find((known) => known === name);
  if (point === undefined) throw new Error(`there is no crash point "${name}"`);
  return { point, hits: Number(hits ?? 1) };
}

export function crashPoint(point: CrashPoint): void {
  passing?.(point);
  if (armed === null || armed.point !== point) return;
  passed += 1;
  if (passed === armed.hits) process.kill(process.pid, "SIGKILL");
}
