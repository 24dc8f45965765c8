// Commands at the agent: stored before the receipt, claimed before the effect, outcome and its letters in one transaction. Each function is one step of
// delivery.md section 3. A row outlives its command as a tombstone (tombstones.ts), so that what was done is never done again.
import { createHash } from "node:crypto";
import type { CommandOutcome } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { repeatabilityOf, resultOctetsMax } from "../../shared/rules/command-kinds.ts";
import { nextAgentState, type AgentEvent, type AgentState } from "../../shared/rules/command-state.ts";
import { cancelledCommand } from "../../shared/outbox/letter.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import type { TargetKey } from "../../shared/rules/ordering.ts";
import { boundedOutcome } from "../../shared/rules/outcome.ts";
import { postEvent } from "./history.ts";
import { putFacts, takeSeq } from "./identity.ts";
import { post, resultAgain } from "./letters.ts";
import { hasResultRoom, requireInboxRoom, reserveFor } from "./room.ts";

export interface NewStored {
  readonly id: string;
  readonly relayEpoch: number;
  readonly ord: number;
  readonly after: string | null;
  readonly lane: LaneName;
  readonly kind: string;
  readonly cls: string;
  /** JSON of the envelope's header. */
  readonly header: string;
  readonly body: Uint8Array;
  /** Hex SHA-256 of the body. */
  readonly bodyHash: string;
  readonly keys: readonly TargetKey[];
  readonly nbfMs: number;
  readonly deadlineMs: number;
  readonly kid: string;
  readonly seq: number;
  readonly floor: number;
  /** Of the link that brought it. */
  readonly fence: number;
  readonly nowMs: number;
}

/** Open commands here, however small: each look for the next one walks them. Beyond it the relay is told "storage" and offers again later. */
const openMax = 5_000;

/** Stores a command that was verified. The same one again changes nothing, and its result is sent again where it has ended; another body under its id is refused. Faults CONFLICT, QUEUE_FULL, ENVELOPE_REPLAYED. */
export function* storeCommand(command: NewStored): Operation<"stored" | "known"> {
  const before = yield* queryOne<{ body_hash: string; state: AgentState; cls: string }>("SELECT body_hash, state, cls FROM commands WHERE id = ?", command.id);
  const isWithdrawn = before?.state === "withdrawn";
  if (isWithdrawn) yield* query("DELETE FROM commands WHERE id = ?", command.id);
  else if (before !== null) {
    if (before.body_hash !== command.bodyHash) throw new Fault("CONFLICT", { what: `another command has the id ${command.id}` });
    yield* resultAgain(command.id, command);
    return "known";
  }
  if ((yield* openCommandCount(null)) >= openMax) throw new Fault("QUEUE_FULL", { what: "this site holds as many commands as it may", why: `${openMax} are open` });
  yield* requireInboxRoom(command.lane, command.body.length + command.header.length);
  if (yield* takeSeq({ ...command, exp: command.deadlineMs })) throw new Fault("ENVELOPE_REPLAYED", { what: `the envelope of ${command.id} was taken before` });
  yield* query(
    "INSERT INTO commands (id, relay_epoch, ord, after_id, lane, kind, cls, header, body, body_hash, state, nbf_ms, deadline_ms, stored_ms, attempts, unclean_restarts, has_effect) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ready', ?, ?, ?, 0, 0, 0)",
    command.id,
    command.relayEpoch,
    command.ord,
    command.after,
    command.lane,
    command.kind,
    command.cls,
    command.header,
    command.body,
    command.bodyHash,
    command.nbfMs,
    command.deadlineMs,
    command.nowMs,
  );
  yield* takeUp(command.id, command.bodyHash);
  if (yield* isBeforeBirth(command)) {
    yield* endWithout(command.id, "refuse", { state: "outcome-unknown", what: "it was asked before this site's database was made anew, so it may have run already, and it may not run twice", code: null, objects: [] }, command.nowMs);
    return "stored";
  }
  // Who may sign a class may take it back: a cancel of another class takes nothing back.
  if (isWithdrawn && before.cls === command.cls) yield* endWithout(command.id, "cancel", { state: "cancelled", what: "it was cancelled before it arrived", code: null, objects: [] }, command.nowMs);
  else for (const { key, isOwn } of command.keys) yield* query("INSERT INTO command_targets (command, okey, is_own) VALUES (?, ?, ?)", command.id, key, isOwn ? 1 : 0);
  return "stored";
}

/** What a database that was put aside knew of it: a Job that had begun is not begun again, and what it had found it acts on. */
function* takeUp(id: string, bodyHash: string): Operation<void> {
  const [begun] = yield* query<{ has_effect: number; resolved: string | null; cleanup: string | null }>("DELETE FROM carried WHERE id = ? AND body_hash = ? RETURNING has_effect, resolved, cleanup", id, bodyHash);
  if (begun !== undefined) yield* query("UPDATE commands SET has_effect = ?, resolved = ?, cleanup = ? WHERE id = ?", begun.has_effect, begun.resolved, begun.cleanup, id);
}

/** Of a database that took another one's place: what may run once only, and was asked before, may have run there. */
function* isBeforeBirth({ kind, header }: NewStored): Operation<boolean> {
  if (repeatabilityOf(kind) !== "neither") return false;
  const row = yield* queryOne<{ former: string | null; born: string | null }>("SELECT (SELECT value FROM facts WHERE name = 'formerEpochs') AS former, (SELECT value FROM facts WHERE name = 'bornMs') AS born");
  if (row === null || row.former === null) return false;
  return row.born === null || (JSON.parse(header) as { iat: number }).iat < Number(row.born);
}

export interface NewCancel {
  /** Of the command. */
  readonly id: string;
  readonly cls: string;
  readonly operator: string;
  /** The command's own: so long the cancel waits for it. */
  readonly deadlineMs: number;
  readonly kid: string;
  readonly seq: number;
  readonly floor: number;
  /** Of the link that brought it. */
  readonly fence: number;
  readonly nowMs: number;
}

/** Takes a cancel that was verified; the command's state after it. The result of one that has ended is sent again; one that runs is the caller's to stop. Faults ENVELOPE_REPLAYED, POLICY_REFUSED. */
export function* cancelCommand(cancel: NewCancel): Operation<AgentState> {
  const { id, cls, operator, deadlineMs, nowMs } = cancel;
  const row = yield* queryOne<{ state: AgentState; cls: string; cancel_ms: number | null }>("SELECT state, cls, cancel_ms FROM commands WHERE id = ?", id);
  if (row !== null && row.state !== "withdrawn" && row.cls !== cls) throw new Fault("POLICY_REFUSED", { what: `a cancel signed as ${cls}`, why: `the command's class is ${row.cls}` });
  if (yield* takeSeq({ ...cancel, exp: deadlineMs })) throw new Fault("ENVELOPE_REPLAYED", { what: `the cancel of ${id} was taken before` });
  if (row === null) {
    yield* query(
      "INSERT INTO commands (id, relay_epoch, ord, lane, kind, cls, body_hash, state, nbf_ms, deadline_ms, stored_ms, attempts, unclean_restarts, has_effect, cancel_ms) VALUES (?, 0, 0, 'control', '', ?, '', 'withdrawn', 0, ?, ?, 0, 0, 0, ?)",
      id,
      cls,
      deadlineMs,
      nowMs,
      nowMs,
    );
    return "withdrawn";
  }
  yield* query("UPDATE commands SET cancel_ms = COALESCE(cancel_ms, ?) WHERE id = ?", nowMs, id);
  if (row.state === "ready") yield* endWithout(id, "cancel", { state: "cancelled", what: `cancelled by ${operator} before it started`, code: null, objects: [] }, nowMs);
  else yield* resultAgain(id, cancel);
  return nextAgentState(row.state, "cancel");
}

/** Which of these are here: the answer to what the relay is in doubt about. */
export function* heldCommands(args: { readonly ids: readonly string[] }): Operation<string[]> {
  const held: string[] = [];
  for (const id of args.ids) {
    const command = cancelledCommand(id);
    const row = command === null ? yield* queryOne("SELECT id FROM commands WHERE id = ? AND state <> 'withdrawn'", id) : yield* queryOne("SELECT id FROM commands WHERE id = ? AND cancel_ms IS NOT NULL", command);
    if (row !== null) held.push(id);
  }
  return held;
}

/** Those of the named commands that have ended here: the relay that names them does not know it. */
export function* reportEnded(args: { readonly ids: readonly string[]; readonly fence: number; readonly nowMs: number }): Operation<void> {
  for (const id of args.ids) yield* resultAgain(cancelledCommand(id) ?? id, args);
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
  readonly cls: string;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
  /** Starts, the first one included. */
  readonly attempts: number;
  /** Restarts without a clean stop that found it claimed. */
  readonly uncleanRestarts: number;
  /** The cluster has acknowledged the effect's beginning (a Job was created). */
  readonly hasEffect: boolean;
  readonly startedMs: number;
  /** It was cancelled while it ran. */
  readonly cancelAsked: boolean;
  /** What it acts on, as its first run found it (its own JSON), or null. */
  readonly resolved: string | null;
}

interface ClaimRow {
  id: string;
  kind: string;
  cls: string;
  body: Uint8Array;
  body_hash: string;
  deadline_ms: number;
  attempts: number;
  unclean_restarts: number;
  has_effect: number;
  started_ms: number;
  cancel_ms: number | null;
  resolved: string | null;
}

const CLAIM_COLUMNS = "id, kind, cls, body, body_hash, deadline_ms, attempts, unclean_restarts, has_effect, started_ms, cancel_ms, resolved";

function claimOf(row: ClaimRow): ClaimedCommand {
  return {
    id: row.id,
    kind: row.kind,
    cls: row.cls,
    body: row.body,
    deadlineMs: Number(row.deadline_ms),
    attempts: Number(row.attempts),
    uncleanRestarts: Number(row.unclean_restarts),
    hasEffect: Number(row.has_effect) === 1,
    startedMs: Number(row.started_ms),
    cancelAsked: row.cancel_ms !== null,
    resolved: row.resolved,
  };
}

/**
 * Not behind an open one: neither the one that its letter names, nor one of lower order that touches the same things. Of a relay that was
 * put back from a copy the orders begin anew, in a higher epoch. Joined in this order (CROSS JOIN), from its own few
 * targets on: left to itself, SQLite walks every open command for each that it looks at.
 */
const IN_ITS_TURN = `NOT EXISTS (SELECT 1 FROM commands p WHERE p.id = c.after_id AND p.state IN ('ready', 'claimed'))
  AND NOT EXISTS (SELECT 1 FROM command_targets t CROSS JOIN command_targets u ON u.okey = t.okey AND u.command <> t.command AND (u.is_own = 1 OR t.is_own = 1)
    CROSS JOIN commands p ON p.id = u.command WHERE t.command = c.id AND (p.relay_epoch, p.ord) < (c.relay_epoch, c.ord) AND p.state IN ('ready', 'claimed'))`;

/** Claims the next command that may start: its predecessors settled, its time surely begun and surely not over, room for its largest result reserved. Surely passed ones expire on the way. */
export function* claimCommand(args: { readonly nowMs: number; readonly errorMs: number }): Operation<ClaimedCommand | null> {
  const { nowMs, errorMs } = args;
  const late = yield* query<{ id: string }>("SELECT id FROM commands WHERE state = 'ready' AND deadline_ms < ? LIMIT 100", nowMs - errorMs);
  for (const { id } of late) yield* endWithout(id, "expire", { state: "expired", what: "its deadline passed before it could start", code: null, objects: [] }, nowMs);
  for (;;) {
    // +deadline_ms: in their order, and no further than the first that may start; an index of deadlines would have all of them looked at and sorted.
    const row = yield* queryOne<ClaimRow>(`SELECT ${CLAIM_COLUMNS} FROM commands c WHERE state = 'ready' AND +deadline_ms > ? AND nbf_ms <= ? AND ${IN_ITS_TURN} ORDER BY relay_epoch, ord LIMIT 1`, nowMs + errorMs, nowMs - errorMs);
    if (row === null || !(yield* hasResultRoom(row.kind))) return null;
    if (createHash("sha256").update(row.body).digest("hex") === row.body_hash) return yield* claim(row, nowMs);
    // What was verified is not what is here now: it is not run.
    yield* endWithout(row.id, "refuse", { state: "failed", what: "its body was damaged on this site's disk before it started; it was not run", code: "STORE_CORRUPT", objects: [] }, nowMs);
  }
}

function* claim(row: ClaimRow, nowMs: number): Operation<ClaimedCommand> {
  yield* step(row.id, "claim");
  yield* query("UPDATE commands SET attempts = 1, started_ms = ?, reserved = ? WHERE id = ?", nowMs, reserveFor(row.kind), row.id);
  yield* post({ id: `claim-${row.id}`, kind: "claim", body: { command: row.id, startedMs: nowMs }, nowMs });
  return claimOf({ ...row, attempts: 1, started_ms: nowMs });
}

function* endWithout(id: string, event: AgentEvent, outcome: CommandOutcome, nowMs: number): Operation<void> {
  yield* step(id, event);
  yield* finish(id, outcome, null, nowMs);
}

/** The outcome, its letter and its place in the site's history. */
function* finish(id: string, full: CommandOutcome, startedMs: number | null, nowMs: number): Operation<void> {
  const { kind } = (yield* queryOne<{ kind: string }>("SELECT kind FROM commands WHERE id = ?", id))!;
  const outcome = boundedOutcome(full, resultOctetsMax(kind));
  const row = yield* queryOne<{ header: string | null }>("UPDATE commands SET outcome = ?, ended_ms = ?, reserved = 0 WHERE id = ? RETURNING header", JSON.stringify(outcome), nowMs, id);
  yield* query("DELETE FROM command_targets WHERE command = ?", id);
  yield* post({ id: `result-${id}`, kind: "result", body: { command: id, header: row?.header ?? "", startedMs, endedMs: nowMs, outcome }, nowMs });
  const isFailure = outcome.state !== "succeeded" && outcome.state !== "cancelled";
  yield* postEvent({ id: `outcome-${id}`, atMs: nowMs, event: "command", what: `${id} ${outcome.state}: ${outcome.what}`.slice(0, 500), isFailure });
}

/** The effect is done: its outcome and the letter that says so, together. */
export function* settleCommand(args: { readonly id: string; readonly outcome: CommandOutcome; readonly startedMs: number; readonly nowMs: number }): Operation<void> {
  yield* step(args.id, "settle");
  yield* finish(args.id, args.outcome, args.startedMs, args.nowMs);
}

/** The effect has begun in the cluster: from here on an absent Job was deleted, not never started. `cleanup`: what is to be removed when all is reported. */
export function* markEffect(args: { readonly id: string; readonly cleanup: string | null }): Operation<void> {
  yield* query("UPDATE commands SET has_effect = 1, cleanup = ? WHERE id = ?", args.cleanup, args.id);
}

/** What a command acts on was found: a second run acts on the same. */
export function* markResolved(args: { readonly id: string; readonly resolved: string }): Operation<void> {
  yield* query("UPDATE commands SET resolved = ? WHERE id = ?", args.resolved, args.id);
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
  const rows = yield* query<ClaimRow>(`SELECT ${CLAIM_COLUMNS} FROM commands WHERE state = 'claimed' ORDER BY relay_epoch, ord`);
  return rows.map(claimOf);
}

export function* openCommandCount(_args: null): Operation<number> {
  const row = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM commands WHERE state IN ('ready', 'claimed')");
  return Number(row?.n ?? 0);
}
