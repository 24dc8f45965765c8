// Commands at the relay: accepted with their order and their letter in one transaction, moved by the table of states and by nothing else, ended once.
// Every function is one step of delivery.md section 3; what the table does not have is a Fault and changes nothing.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { putLetter, removeLetter, returnLetter } from "../../shared/outbox/outbox.ts";
import { isTerminal, nextRelayState, type RelayEvent, type RelayState, type TerminalState } from "../../shared/rules/command-state.ts";
import { putEvent } from "./events.ts";
import { findSite, OPEN_STATES, unknownSite } from "./sites.ts";

/** Open commands of one site, and their octets: beyond it the caller is told what fills the queue. delivery.md section 6. */
export const openCommandsMax = 1_000;
export const openCommandOctetsMax = 64 * 1_048_576;
const listedMax = 500;

export interface CommandRow {
  readonly id: string;
  readonly site: string;
  readonly siteName: string;
  readonly ord: number;
  readonly kind: "apply" | "job";
  readonly what: string;
  readonly operator: string;
  readonly state: RelayState;
  readonly why: string;
  readonly deadlineMs: number;
  readonly askedMs: number;
  readonly offeredMs: number | null;
  readonly storedMs: number | null;
  readonly endedMs: number | null;
  readonly startedSiteMs: number | null;
  readonly endedSiteMs: number | null;
  /** JSON of a CommandOutcome. */
  readonly outcome: string | null;
}

const COLUMNS =
  "c.id, c.site, s.name AS siteName, c.ord, c.kind, c.what, c.operator, c.state, c.why, c.deadline_ms AS deadlineMs, c.asked_ms AS askedMs, c.offered_ms AS offeredMs, c.stored_ms AS storedMs, c.ended_ms AS endedMs, c.started_site_ms AS startedSiteMs, c.ended_site_ms AS endedSiteMs, c.outcome";

export interface NewCommand {
  readonly id: string;
  readonly siteName: string;
  readonly kind: string;
  readonly what: string;
  readonly orderingKey: string;
  /** What is signed at the offer. */
  readonly body: Uint8Array;
  readonly operator: string;
  readonly deadlineMs: number;
  readonly nowMs: number;
  readonly idempotencyKey: string | null;
  readonly bodyHash: string;
}

export function* submitCommand(command: NewCommand): Operation<CommandRow> {
  if (command.idempotencyKey !== null) {
    const before = yield* queryOne<{ command: string; body_hash: string }>("SELECT command, body_hash FROM command_keys WHERE caller = ? AND idempotency_key = ?", command.operator, command.idempotencyKey);
    if (before !== null) {
      if (before.body_hash !== command.bodyHash) throw new Fault("CONFLICT", { what: "this Idempotency-Key was used for another request", why: `it belongs to command ${before.command}`, hint: "use a new key for a new request" });
      return yield* commandRow({ id: before.command });
    }
  }
  const site = yield* findSite({ name: command.siteName });
  if (site === null || site.state === "revoked") throw unknownSite(command.siteName);
  if (site.state !== "active") throw new Fault("SITE_WAITING", { what: `${site.name} is not approved yet`, why: `it is ${site.state}`, hint: `bowline approve ${site.name} --code CODE` });
  yield* requireRoom(site.id, site.name, command.body.length);
  const drawn = yield* queryOne<{ ord: number }>("UPDATE sites SET next_order = next_order + 1 WHERE id = ? RETURNING next_order - 1 AS ord", site.id);
  const ord = Number(drawn!.ord);
  yield* query(
    "INSERT INTO commands (id, site, ord, ordering_key, kind, what, body, octets, operator, state, why, deadline_ms, asked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', '', ?, ?)",
    command.id,
    site.id,
    ord,
    command.orderingKey,
    command.kind,
    command.what,
    command.body,
    command.body.length,
    command.operator,
    command.deadlineMs,
    command.nowMs,
  );
  if (command.idempotencyKey !== null) yield* query("INSERT INTO command_keys (caller, idempotency_key, body_hash, command, made_ms) VALUES (?, ?, ?, ?, ?)", command.operator, command.idempotencyKey, command.bodyHash, command.id, command.nowMs);
  yield* queueLetter(site.id, command.id, ord, command.body.length, command.nowMs);
  return yield* commandRow({ id: command.id });
}

function* requireRoom(site: string, name: string, octets: number): Operation<void> {
  const row = yield* queryOne<{ n: number; octets: number | null }>(`SELECT COUNT(*) AS n, SUM(octets) AS octets FROM commands WHERE site = ? AND state IN ${OPEN_STATES}`, site);
  const open = Number(row?.n ?? 0);
  const held = Number(row?.octets ?? 0);
  if (open < openCommandsMax && held + octets <= openCommandOctetsMax) return;
  const why = open >= openCommandsMax ? `${open} commands are open, ${openCommandsMax} may be` : `open commands hold ${Math.round(held / 1_048_576)} MiB, ${openCommandOctetsMax / 1_048_576} MiB may be held`;
  throw new Fault("QUEUE_FULL", { what: `the queue of ${name} is full`, why, hint: `bowline command ls --site ${name} shows what fills it; try again when the site has taken some` });
}

export function* queueLetter(site: string, id: string, ord: number, octets: number, nowMs: number): Operation<void> {
  yield* putLetter({ id, site, lane: "deploy", kind: "command", replaceKey: null, ord, afterId: null, body: null, octets, nowMs });
}

export function* commandRow(args: { readonly id: string }): Operation<CommandRow> {
  const row = yield* queryOne<CommandRow>(`SELECT ${COLUMNS} FROM commands c JOIN sites s ON s.id = c.site WHERE c.id = ?`, args.id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${args.id.slice(0, 80)}`, hint: "bowline command ls" });
  return row;
}

export function* listCommands(args: { readonly site: string | null; readonly state: string | null }): Operation<CommandRow[]> {
  return yield* query<CommandRow>(
    `SELECT ${COLUMNS} FROM commands c JOIN sites s ON s.id = c.site WHERE (? IS NULL OR s.name = ?) AND (? IS NULL OR c.state = ?) ORDER BY c.asked_ms DESC, c.ord DESC LIMIT ?`,
    args.site,
    args.site,
    args.state,
    args.state,
    listedMax,
  );
}

/** One step of the table. Returns the new state. */
export function* stepCommand(id: string, event: RelayEvent, why: string): Operation<RelayState> {
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${id.slice(0, 80)}` });
  const state = nextRelayState(row.state, event);
  yield* query("UPDATE commands SET state = ?, why = ? WHERE id = ?", state, why, id);
  return state;
}

/** Ends a command that never left. */
export function* endHere(site: string, id: string, event: RelayEvent, why: string, nowMs: number): Operation<void> {
  const state = yield* stepCommand(id, event, why);
  yield* query("UPDATE commands SET ended_ms = ? WHERE id = ?", nowMs, id);
  yield* removeLetter(id);
  yield* putEvent({ id: `relay-${state}-${id}`, site, atMs: nowMs, nowMs, kind: "command", what: `${id} ${state}: ${why}` });
}

const sweptAtOnce = 100;

/** Commands whose deadline passed before they left. True when there may be more. */
export function* expireCommands(args: { readonly nowMs: number }): Operation<boolean> {
  const rows = yield* query<{ id: string; site: string }>("SELECT id, site FROM commands WHERE state IN ('queued', 'blocked') AND deadline_ms < ? LIMIT ?", args.nowMs, sweptAtOnce);
  for (const row of rows) yield* endHere(row.site, row.id, "expire", "its deadline passed before the site returned", args.nowMs);
  return rows.length === sweptAtOnce;
}

/** The agent has it, committed. */
export function* commandStored(id: string, event: "receipt" | "heldByAgent", nowMs: number): Operation<void> {
  yield* removeLetter(id);
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", id);
  if (row === null || isTerminal(row.state) || row.state === "running") return; // its result or its claim overtook the receipt
  yield* stepCommand(id, event, "");
  yield* query("UPDATE commands SET stored_ms = COALESCE(stored_ms, ?) WHERE id = ?", nowMs, id);
}

/** It left on a link that is gone, and the agent does not have it: it waits again. */
export function* commandNotHeld(id: string): Operation<void> {
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", id);
  if (row === null || row.state !== "offered") return yield* removeLetter(id);
  yield* stepCommand(id, "notHeldByAgent", "");
  yield* returnLetter({ id, notBeforeMs: 0, hasFailed: false });
}

/** The site refused the letter: for a while (storage, trust), or for good. */
export function* commandRefused(args: { readonly site: string; readonly id: string; readonly status: "storage" | "trust" | "unsupported" | "policy" | "malformed"; readonly nowMs: number }): Operation<void> {
  if (args.status === "storage" || args.status === "trust") {
    yield* removeLetter(args.id);
    const why = args.status === "storage" ? "the site has no room to store it" : "the site's trust document does not allow it";
    yield* stepCommand(args.id, args.status === "storage" ? "refusedStorage" : "refusedTrust", why);
    return;
  }
  yield* endHere(args.site, args.id, "reject", `the site refused it: ${args.status}`, args.nowMs);
}

/** What was blocked is offered again: on each new link, and after a while on a live one. */
export function* unblockCommands(args: { readonly site: string; readonly nowMs: number }): Operation<number> {
  const rows = yield* query<{ id: string; ord: number; octets: number }>("SELECT id, ord, octets FROM commands WHERE site = ? AND state = 'blocked' ORDER BY ord LIMIT ?", args.site, sweptAtOnce);
  for (const row of rows) {
    yield* stepCommand(row.id, "unblock", "");
    yield* queueLetter(args.site, row.id, Number(row.ord), Number(row.octets), args.nowMs);
  }
  return rows.length;
}

/** Terminal by the agent's word. The first terminal wins; the same again changes nothing; another one is kept as an event for people. */
export function* endCommand(args: { readonly site: string; readonly id: string; readonly state: TerminalState; readonly outcome: string; readonly startedSiteMs: number | null; readonly endedSiteMs: number; readonly nowMs: number }): Operation<void> {
  const row = yield* queryOne<{ state: RelayState; site: string }>("SELECT state, site FROM commands WHERE id = ?", args.id);
  if (row === null || row.site !== args.site) {
    return yield* putEvent({ id: `relay-orphan-${args.id}`, site: args.site, atMs: args.endedSiteMs, nowMs: args.nowMs, kind: "orphan", what: `a result for an unknown command ${args.id}: ${args.state}` });
  }
  if (isTerminal(row.state)) {
    if (row.state !== args.state) yield* putEvent({ id: `relay-evidence-${args.id}-${args.state}`, site: args.site, atMs: args.endedSiteMs, nowMs: args.nowMs, kind: "evidence", what: `${args.id} is ${row.state} here, the site says ${args.state}` });
    return;
  }
  yield* stepCommand(args.id, `result:${args.state}`, "");
  yield* query(
    "UPDATE commands SET outcome = ?, started_site_ms = COALESCE(?, started_site_ms), ended_site_ms = ?, ended_ms = ?, stored_ms = COALESCE(stored_ms, ?) WHERE id = ?",
    args.outcome,
    args.startedSiteMs,
    args.endedSiteMs,
    args.nowMs,
    args.nowMs,
    args.id,
  );
  yield* removeLetter(args.id);
}

export function* commandClaimed(args: { readonly site: string; readonly id: string; readonly startedSiteMs: number; readonly nowMs: number }): Operation<void> {
  const row = yield* queryOne<{ state: RelayState; site: string }>("SELECT state, site FROM commands WHERE id = ?", args.id);
  if (row === null || row.site !== args.site || isTerminal(row.state)) return; // its result overtook it
  yield* stepCommand(args.id, "claimed", "");
  yield* query("UPDATE commands SET started_site_ms = COALESCE(started_site_ms, ?), stored_ms = COALESCE(stored_ms, ?) WHERE id = ?", args.startedSiteMs, args.nowMs, args.id);
  yield* removeLetter(args.id);
}
