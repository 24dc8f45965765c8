// Commands at the agent: stored before the receipt, claimed before the effect, outcome and its letter in one transaction. Each function is one step of
// delivery.md section 3. A row outlives its command as a tombstone, so that what was done is never done again.
import type { CommandOutcome } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { nextAgentState, type AgentEvent, type AgentState } from "../../shared/rules/command-state.ts";
import { putFacts, takeSeq } from "./identity.ts";
import { post } from "./letters.ts";

export interface NewStored {
  readonly id: string;
  readonly ord: number;
  readonly after: string | null;
  readonly kind: string;
  readonly body: Uint8Array;
  readonly bodyHash: string;
  readonly deadlineMs: number;
  readonly kid: string;
  readonly seq: number;
  readonly nowMs: number;
}

/** Tombstones are kept this long (ms) after the deadline. delivery.md section 3. */
const tombstoneMs = 30 * 86_400_000;
/** Open commands and their octets here; beyond it the relay is told "storage" and offers again later. */
const openMax = 5_000;
const openOctetsMax = 96 * 1_048_576;

/** Stores a command that was verified. The same one again changes nothing; another body under its id is refused. Faults CONFLICT, QUEUE_FULL, ENVELOPE_REPLAYED. */
export function* storeCommand(command: NewStored): Operation<"stored" | "known"> {
  const before = yield* queryOne<{ body_hash: string }>("SELECT body_hash FROM commands WHERE id = ?", command.id);
  if (before !== null) {
    if (before.body_hash !== command.bodyHash) throw new Fault("CONFLICT", { what: `another command has the id ${command.id}` });
    return "known";
  }
  const room = yield* queryOne<{ n: number; octets: number | null }>("SELECT COUNT(*) AS n, SUM(LENGTH(body)) AS octets FROM commands WHERE state IN ('ready', 'claimed')");
  if (Number(room?.n ?? 0) >= openMax || Number(room?.octets ?? 0) + command.body.length > openOctetsMax) throw new Fault("QUEUE_FULL", { what: "this site holds as many commands as it may" });
  if (yield* takeSeq(command.kid, command.seq, command.deadlineMs)) throw new Fault("ENVELOPE_REPLAYED", { what: `the envelope of ${command.id} was taken before` });
  yield* query(
    "INSERT INTO commands (id, ord, after_id, kind, body, body_hash, state, deadline_ms, stored_ms, attempts, unclean_restarts, has_effect) VALUES (?, ?, ?, ?, ?, ?, 'ready', ?, ?, 0, 0, 0)",
    command.id,
    command.ord,
    command.after,
    command.kind,
    command.body,
    command.bodyHash,
    command.deadlineMs,
    command.nowMs,
  );
  return "stored";
}

/** Which of these are here: the answer to what the relay is in doubt about. */
export function* heldCommands(args: { readonly ids: readonly string[] }): Operation<string[]> {
  const held: string[] = [];
  for (const id of args.ids) if ((yield* queryOne("SELECT id FROM commands WHERE id = ?", id)) !== null) held.push(id);
  return held;
}

function* step(id: string, event: AgentEvent): Operation<AgentState> {
  const row = yield* queryOne<{ state: AgentState }>("SELECT state FROM commands WHERE id = ?", id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${id} here` });
  const state = nextAgentState(row.state, event);
  yield* query("UPDATE commands SET state = ? WHERE id = ?", state, id);
  return state;
}

export interface ClaimedCommand {
  readonly id: string;
  readonly kind: string;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
  /** Starts, the first one included. */
  readonly attempts: number;
  /** Restarts without a clean stop that found it claimed. */
  readonly uncleanRestarts: number;
  /** The cluster has acknowledged the effect's beginning (a Job was created). */
  readonly hasEffect: boolean;
  readonly startedMs: number;
}

interface ClaimRow {
  id: string;
  kind: string;
  body: Uint8Array;
  deadline_ms: number;
  attempts: number;
  unclean_restarts: number;
  has_effect: number;
  started_ms: number;
}

const CLAIM_COLUMNS = "id, kind, body, deadline_ms, attempts, unclean_restarts, has_effect, started_ms";

function claimOf(row: ClaimRow): ClaimedCommand {
  return { id: row.id, kind: row.kind, body: row.body, deadlineMs: Number(row.deadline_ms), attempts: Number(row.attempts), uncleanRestarts: Number(row.unclean_restarts), hasEffect: Number(row.has_effect) === 1, startedMs: Number(row.started_ms) };
}

/** Claims the next command that may start: predecessor settled, deadline surely not passed. Surely passed ones expire on the way. */
export function* claimCommand(args: { readonly nowMs: number; readonly errorMs: number }): Operation<ClaimedCommand | null> {
  const late = yield* query<{ id: string }>("SELECT id FROM commands WHERE state = 'ready' AND deadline_ms < ? LIMIT 100", args.nowMs - args.errorMs);
  for (const { id } of late) yield* endWithout(id, "expire", { state: "expired", what: "its deadline passed before it could start", code: null, objects: [] }, args.nowMs);
  const row = yield* queryOne<{ id: string }>(
    "SELECT id FROM commands c WHERE state = 'ready' AND deadline_ms > ? AND (after_id IS NULL OR NOT EXISTS (SELECT 1 FROM commands p WHERE p.id = c.after_id AND p.state IN ('ready', 'claimed'))) ORDER BY ord LIMIT 1",
    args.nowMs + args.errorMs,
  );
  if (row === null) return null;
  yield* step(row.id, "claim");
  yield* query("UPDATE commands SET attempts = 1, started_ms = ? WHERE id = ?", args.nowMs, row.id);
  yield* post({ id: `claim-${row.id}`, kind: "claim", body: { command: row.id, startedMs: args.nowMs }, nowMs: args.nowMs });
  return claimOf((yield* queryOne<ClaimRow>(`SELECT ${CLAIM_COLUMNS} FROM commands WHERE id = ?`, row.id))!);
}

function* endWithout(id: string, event: AgentEvent, outcome: CommandOutcome, nowMs: number): Operation<void> {
  yield* step(id, event);
  yield* finish(id, outcome, null, nowMs);
}

function* finish(id: string, outcome: CommandOutcome, startedMs: number | null, nowMs: number): Operation<void> {
  yield* query("UPDATE commands SET outcome = ?, ended_ms = ? WHERE id = ?", JSON.stringify(outcome), nowMs, id);
  yield* post({ id: `result-${id}`, kind: "result", body: { command: id, startedMs, endedMs: nowMs, outcome }, nowMs });
}

/** The effect is done: its outcome and the letter that says so, together. */
export function* settleCommand(args: { readonly id: string; readonly outcome: CommandOutcome; readonly startedMs: number; readonly nowMs: number }): Operation<void> {
  yield* step(args.id, "settle");
  yield* finish(args.id, args.outcome, args.startedMs, args.nowMs);
}

/** The effect has begun in the cluster: from here on an absent Job was deleted, not never started. */
export function* markEffect(args: { readonly id: string }): Operation<void> {
  yield* query("UPDATE commands SET has_effect = 1 WHERE id = ?", args.id);
}

/** The agent stops and nothing runs any more: what is claimed is not what ended it. */
export function* markCleanStop(_args: null): Operation<void> {
  yield* putFacts({ facts: { cleanStop: "1" } });
}

/** Claims that a restart finds. Only a restart without a clean stop before it speaks against a command; the mark is spent, so that the next one has to earn its own. */
export function* reclaimCommands(_args: null): Operation<ClaimedCommand[]> {
  const isClean = (yield* queryOne("SELECT value FROM facts WHERE name = 'cleanStop'")) !== null;
  yield* putFacts({ facts: {}, drop: ["cleanStop"] });
  yield* query("UPDATE commands SET attempts = attempts + 1, unclean_restarts = unclean_restarts + ? WHERE state = 'claimed'", isClean ? 0 : 1);
  const rows = yield* query<ClaimRow>(`SELECT ${CLAIM_COLUMNS} FROM commands WHERE state = 'claimed' ORDER BY ord`);
  return rows.map(claimOf);
}

/** Tombstones whose time is over. */
export function* purgeCommands(args: { readonly nowMs: number }): Operation<void> {
  yield* query("DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE state = 'reported' AND deadline_ms < ? LIMIT 100)", args.nowMs - tombstoneMs);
}

export function* openCommandCount(_args: null): Operation<number> {
  const row = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM commands WHERE state IN ('ready', 'claimed')");
  return Number(row?.n ?? 0);
}
