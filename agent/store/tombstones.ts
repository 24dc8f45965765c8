// What stays of a command whose result the relay has: a tombstone (id, hash, outcome, times), so that what was done is never done again, and a note of what it left
// in the cluster until that is removed. Goes a few rows at a time. delivery.md section 3.
import type { CommandOutcome } from "../../shared/api.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { nextAgentState, type AgentState } from "../../shared/rules/command-state.ts";
import { cut } from "../../shared/rules/outcome.ts";
import { areResultsTight } from "./room.ts";

/** Tombstones are kept this long (ms) after the deadline. */
const tombstoneMs = 30 * 86_400_000;
/** What a command left in the cluster may be looked at this long (ms) after its end: people read a Job's logs the next morning. */
const leftoversKeptMs = 86_400_000;
/** A reported command keeps its details this long (ms) after its end: whoever looks into the agent's database after a trouble finds them. */
const detailsKeptMs = 3_600_000;
const rowsAtOnce = 100;
const whatCharsKept = 500;

/** The relay has the result: the body is not needed any more. */
/** `fence`: of the link on which the relay said so, or null when it said it of an earlier one. */
export function* commandReported(id: string, fence: number | null): Operation<void> {
  const row = yield* queryOne<{ state: AgentState }>("SELECT state FROM commands WHERE id = ?", id);
  if (row === null) return;
  yield* query("UPDATE commands SET state = ?, body = NULL, receipt_fence = ? WHERE id = ?", nextAgentState(row.state, "receipt"), fence, id);
}

export interface Leftover {
  readonly id: string;
  /** JSON, as the command's kind wrote it. */
  readonly cleanup: string;
}

/** What reported commands left in the cluster and nobody needs any more. */
export function* dueLeftovers(args: { readonly nowMs: number; readonly limit: number }): Operation<Leftover[]> {
  return yield* query<Leftover>("SELECT id, cleanup FROM commands WHERE state IN ('reported', 'purged') AND cleanup IS NOT NULL AND ended_ms < ? ORDER BY ended_ms LIMIT ?", args.nowMs - leftoversKeptMs, args.limit);
}

export function* leftoverRemoved(args: { readonly id: string }): Operation<void> {
  yield* query("UPDATE commands SET cleanup = NULL WHERE id = ?", args.id);
}

/** Reported commands become tombstones after a while, sooner when results need the room, and tombstones whose time is over go. An open command is never among them. */
export function* purgeCommands(args: { readonly nowMs: number; readonly errorMs: number }): Operation<void> {
  const endedBeforeMs = (yield* areResultsTight()) ? Number.MAX_SAFE_INTEGER : args.nowMs - detailsKeptMs;
  const done = yield* query<{ id: string; outcome: string }>("SELECT id, outcome FROM commands WHERE state = 'reported' AND ended_ms < ? LIMIT ?", endedBeforeMs, rowsAtOnce);
  for (const { id, outcome } of done) {
    const { state, what, code } = JSON.parse(outcome) as CommandOutcome;
    yield* query("UPDATE commands SET state = ?, header = NULL, resolved = NULL, outcome = ? WHERE id = ?", nextAgentState("reported", "purge"), JSON.stringify({ state, what: cut(what, whatCharsKept), code, objects: [] }), id);
    crashPoint("inside-purge");
  }
  yield* query("DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE state IN ('purged', 'withdrawn') AND cleanup IS NULL AND deadline_ms < ? LIMIT ?)", args.nowMs - args.errorMs - tombstoneMs, rowsAtOnce);
  yield* query("DELETE FROM carried WHERE deadline_ms < ?", args.nowMs - args.errorMs - tombstoneMs);
}
