// Every step of a command at the relay: moved by the table of states and by nothing else, ended once, and each step told as an event. What the table does not
// have is a Fault and changes nothing. Steps join their caller's transaction. delivery.md section 3.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { CommandOutcome } from "../../shared/api.ts";
import { cancelLetterId } from "../../shared/outbox/letter.ts";
import { putLetter, removeLetter, returnLetter } from "../../shared/outbox/outbox.ts";
import { eventAfterLoss, isTerminal, nextRelayState, resultVerdict, type BlockReason, type RelayEvent, type RelayState, type TerminalState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { nextChange } from "./changes.ts";
import { putEvent } from "./events.ts";
import { dropTargets, waitingSuccessors } from "./targets.ts";

export interface CommandOfSite {
  readonly site: string;
  readonly id: string;
}

interface Known {
  readonly site: string;
  readonly state: RelayState;
  readonly what: string;
  /** When it became unknown whether the site has done it: its database was lost, or this one was put back from a copy. Null: it is known. */
  readonly lost_ms: number | null;
}

function* find(id: string): Operation<Known | null> {
  return yield* queryOne<Known>("SELECT site, state, what, lost_ms FROM commands WHERE id = ?", id);
}

const LOST = "it may have been done before a database was lost";

/** One step of the table; the new state. */
export function* stepCommand(id: string, event: RelayEvent, why: string): Operation<RelayState> {
  const row = yield* find(id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${id.slice(0, 80)}`, hint: "bowline command ls" });
  if (isTerminal(row.state)) return nextRelayState(row.state, event); // what came late changes nothing, its words neither
  const truly = row.lost_ms === null ? event : eventAfterLoss(event);
  const state = nextRelayState(row.state, truly);
  yield* query("UPDATE commands SET state = ?, why = ?, blocked_reason = NULL, change = ? WHERE id = ?", state, truly === event ? why : why === "" ? LOST : `${why}; ${LOST}`, yield* nextChange(), id);
  return state;
}

/** It leaves in this transaction, under this number of the signer's. */
export function* commandOffered(id: string, from: RelayState, seq: number, nowMs: number): Operation<void> {
  yield* query("UPDATE commands SET state = ?, offered_ms = ?, seq = ?, offers = offers + 1, change = ? WHERE id = ?", nextRelayState(from, "offer"), nowMs, seq, yield* nextChange(), id);
}

export function* queueLetter(command: CommandOfSite & { readonly lane: LaneName; readonly ord: number; readonly octets: number }, nowMs: number): Operation<void> {
  const { id, site, lane, ord, octets } = command;
  yield* putLetter({ id, site, lane, kind: "command", replaceKey: null, ord, afterId: null, body: null, octets, nowMs });
}

/** Octets that a cancel's body is counted as at the lease: an operator's name as JSON. */
const cancelOctets = 512;

/** In the lane control: it may well arrive before its command, which then ends as it arrives. */
export function* putCancelLetter(command: CommandOfSite, nowMs: number): Operation<void> {
  const { ord } = (yield* queryOne<{ ord: number }>("SELECT ord FROM commands WHERE id = ?", command.id))!;
  yield* putLetter({ id: cancelLetterId(command.id), site: command.site, lane: "control", kind: "cancel", replaceKey: null, ord: Number(ord), afterId: null, body: null, octets: cancelOctets, nowMs });
}

export function* dropCancelLetter(id: string): Operation<void> {
  yield* removeLetter(cancelLetterId(id));
}

/** An event of the site's own telling of the same thing has the same id, so it is told once. */
function outcomeEventId(site: string, id: string): string {
  return `${site}-outcome-${id}`;
}

/** Bodies of ended commands that are kept for each site, so that they can be tried again: the newest. */
const keptBodiesMax = 50;
/** Ends that are nobody's wish: with them a command can be retried, and holds its keys when it was given with `onFailure: block`. */
const UNWANTED: ReadonlySet<RelayState> = new Set(["failed", "rejected", "expired", "outcome-unknown"]);

/** Its body goes, or is kept for a while; its keys go, or are held. */
function* letGo(command: CommandOfSite, state: RelayState): Operation<void> {
  const { site, id } = command;
  if (UNWANTED.has(state)) {
    const beyond = yield* query<{ id: string }>("SELECT id FROM commands WHERE site = ? AND body IS NOT NULL AND ended_ms IS NOT NULL ORDER BY ended_ms DESC, id DESC LIMIT ? OFFSET ?", site, keptBodiesMax, keptBodiesMax);
    for (const old of beyond) yield* query("UPDATE commands SET body = NULL WHERE id = ?", old.id);
  } else yield* query("UPDATE commands SET body = NULL WHERE id = ?", id);
  const holding = UNWANTED.has(state) ? yield* queryOne("SELECT id FROM commands WHERE id = ? AND on_failure = 'block'", id) : null;
  if (holding === null) yield* dropTargets(id);
}

/** The command is over: its letter goes, and its claim on others with it unless it holds its keys. */
function* close(command: CommandOfSite, state: RelayState, told: { readonly what: string; readonly atMs: number; readonly nowMs: number }): Operation<void> {
  yield* query("UPDATE commands SET ended_ms = ? WHERE id = ?", told.nowMs, command.id);
  yield* removeLetter(command.id);
  yield* dropCancelLetter(command.id);
  yield* release(command, told.nowMs);
  yield* letGo(command, state);
  yield* putEvent({ id: outcomeEventId(command.site, command.id), site: command.site, atMs: told.atMs, nowMs: told.nowMs, kind: "command", what: `${command.id} ${state}: ${told.what}` });
}

/** Ends a command by the relay's own word, or by the site's refusal of its letter. */
export function* endHere(command: CommandOfSite, event: RelayEvent, why: string, nowMs: number): Operation<void> {
  const state = yield* stepCommand(command.id, event, why);
  yield* close(command, state, { what: why, atMs: nowMs, nowMs });
}

/** Keeps a command here and says why; its letter goes, so that it holds back nobody. */
export function* blockCommand(command: CommandOfSite, event: RelayEvent, reason: BlockReason, why: string): Operation<void> {
  yield* removeLetter(command.id);
  yield* stepCommand(command.id, event, why);
  yield* query("UPDATE commands SET blocked_reason = ? WHERE id = ?", reason, command.id);
}

/** What was blocked is queued again. */
export function* unblockCommand(command: CommandOfSite, nowMs: number): Operation<void> {
  yield* stepCommand(command.id, "unblock", "");
  const row = (yield* queryOne<{ ord: number; octets: number; lane: LaneName }>("SELECT ord, octets, lane FROM commands WHERE id = ?", command.id))!;
  yield* queueLetter({ ...command, lane: row.lane, ord: Number(row.ord), octets: Number(row.octets) }, nowMs);
}

/** A command is out of the way of those that were kept behind it. */
export function* release(command: CommandOfSite, nowMs: number): Operation<void> {
  for (const id of yield* waitingSuccessors(command.site, command.id)) yield* unblockCommand({ site: command.site, id }, nowMs);
}

/** The agent has it, committed. */
export function* commandStored(command: CommandOfSite, event: "receipt" | "heldByAgent", nowMs: number): Operation<void> {
  yield* removeLetter(command.id);
  const row = yield* find(command.id);
  if (row === null) return;
  const state = yield* stepCommand(command.id, event, "");
  if (state !== "stored" || row.state === "stored") return; // its result or its claim overtook the receipt
  yield* query("UPDATE commands SET stored_ms = ? WHERE id = ?", nowMs, command.id);
  yield* release(command, nowMs);
  yield* putEvent({ id: `relay-stored-${command.id}`, site: command.site, atMs: nowMs, nowMs, kind: "command", what: `${command.id} stored at the site: ${row.what}` });
}

/** It left on a link that is gone, and the agent does not have it: it waits again. */
export function* commandNotHeld(command: CommandOfSite, nowMs: number): Operation<void> {
  const { id } = command;
  const row = yield* find(id);
  if (row === null || row.state !== "offered") return yield* removeLetter(id);
  yield* stepCommand(id, "notHeldByAgent", "");
  yield* returnLetter({ id, notBeforeMs: 0, hasFailed: false });
  yield* cancelHere(command, nowMs);
}

/** What has come back, with a cancel asked while it was away, is not offered again to be cancelled there: that is decided here now. */
function* cancelHere(command: CommandOfSite, nowMs: number): Operation<void> {
  const row = yield* queryOne<{ cancel_asked_by: string | null }>("SELECT cancel_asked_by FROM commands WHERE id = ?", command.id);
  if (row !== null && row.cancel_asked_by !== null) yield* endHere(command, "cancel", `cancelled by ${row.cancel_asked_by}`, nowMs);
}

/** The site refused the letter: for a while (storage, trust), or for good. */
export function* commandRefused(command: CommandOfSite, status: "storage" | "trust" | "unsupported" | "policy" | "malformed", nowMs: number): Operation<void> {
  if (status === "storage") yield* blockCommand(command, "refusedStorage", "storage", "the site has no room to store it");
  else if (status === "trust") yield* blockCommand(command, "refusedTrust", "trust", "the site's trust document does not allow it");
  else return yield* endHere(command, "reject", `the site refused it: ${status}`, nowMs);
  yield* cancelHere(command, nowMs);
}

/** A site keeps a tombstone 30 days past the deadline by its own clock; a day less than that it must still know the command. */
const knownMs = 29 * 86_400_000;

/** The site has receipted it, must still have a record of it, and has none: its database was put back from a copy. */
export function* isMissed(command: CommandOfSite, nowMs: number): Operation<boolean> {
  return (yield* queryOne("SELECT id FROM commands WHERE id = ? AND site = ? AND state IN ('stored', 'running') AND deadline_ms > ?", command.id, command.site, nowMs - knownMs)) !== null;
}

/** The site has no record of what it had, and its tombstone's time is over: it is not run again, and nobody can say how it ended. */
export function* commandGone(command: CommandOfSite, nowMs: number): Operation<void> {
  const row = yield* queryOne("SELECT id FROM commands WHERE id = ? AND site = ? AND state IN ('stored', 'running')", command.id, command.site);
  if (row !== null) yield* endHere(command, "epochChangedOnce", "the site has no record of it any more, so how it ended cannot be known", nowMs);
}

export interface SiteClaim extends CommandOfSite {
  readonly startedSiteMs: number;
  readonly nowMs: number;
}

/** It started at the site, whatever was believed here. */
export function* commandClaimed(args: SiteClaim): Operation<void> {
  const row = yield* find(args.id);
  if (row === null || row.site !== args.site || isTerminal(row.state)) return; // its result overtook it
  yield* stepCommand(args.id, "claimed", "");
  yield* query("UPDATE commands SET started_site_ms = COALESCE(started_site_ms, ?), stored_ms = COALESCE(stored_ms, ?), claimed_ms = COALESCE(claimed_ms, ?) WHERE id = ?", args.startedSiteMs, args.nowMs, args.nowMs, args.id);
  yield* removeLetter(args.id);
  yield* release(args, args.nowMs);
  yield* putEvent({ id: `relay-started-${args.id}`, site: args.site, atMs: args.startedSiteMs, nowMs: args.nowMs, kind: "command", what: `${args.id} started: ${row.what}` });
}

export interface SiteResult extends CommandOfSite {
  readonly outcome: CommandOutcome & { readonly state: TerminalState };
  /** Header of the command's envelope as the site has it: JSON. */
  readonly header: string;
  readonly startedSiteMs: number | null;
  readonly endedSiteMs: number;
  readonly nowMs: number;
  /** False: one of many that the site names at once, for which there is one event. */
  readonly isTold?: boolean;
}

/** The site's signed word about a command's end. The first terminal wins; the truth that comes later is kept beside it; nothing of it is ever refused. */
export function* commandResult(args: SiteResult): Operation<void> {
  // Where the doubt is this store's own, the site's word ends it.
  yield* query("UPDATE commands SET lost_ms = NULL WHERE id = ? AND site = ? AND lost_ms = (SELECT restored_ms FROM sites WHERE id = ?)", args.id, args.site, args.site);
  const row = yield* find(args.id);
  if (row === null || row.site !== args.site) return yield* putOrphan(args);
  const verdict = resultVerdict(row.state, args.outcome.state);
  if (verdict === "same") return;
  if (verdict !== "end") return yield* putEvidence(args, row.state, verdict);
  const state = yield* stepCommand(args.id, `result:${args.outcome.state}`, "");
  yield* query(
    "UPDATE commands SET outcome = ?, started_site_ms = COALESCE(?, started_site_ms), ended_site_ms = ?, stored_ms = COALESCE(stored_ms, ?) WHERE id = ?",
    JSON.stringify(args.outcome),
    args.startedSiteMs,
    args.endedSiteMs,
    args.nowMs,
    args.id,
  );
  yield* close(args, state, { what: args.outcome.what, atMs: args.endedSiteMs, nowMs: args.nowMs });
}

function* putEvidence(args: SiteResult, known: RelayState, verdict: "evidence" | "alarm"): Operation<void> {
  const { outcome, startedSiteMs, endedSiteMs, nowMs } = args;
  yield* query("UPDATE commands SET evidence = COALESCE(evidence, ?) WHERE id = ?", JSON.stringify({ outcome, startedSiteMs, endedSiteMs, receivedMs: nowMs }), args.id);
  yield* putEvent({ id: `relay-evidence-${args.id}-${outcome.state}`, site: args.site, atMs: endedSiteMs, nowMs, kind: verdict, what: `${args.id} is ${known} here, the site says ${outcome.state}: ${outcome.what}` });
}

/** Orphans of one site: more than any honest site has, and half a GiB of the greatest outcomes at most. Whoever has a site's key must not fill the relay's disk. */
const orphansMax = 2_000;

/** Fault QUEUE_FULL beyond the bound: the result stays at the site, which brings it again. Of many named at once those beyond it are not kept, and stay there as well. */
function* putOrphan(args: SiteResult): Operation<void> {
  const { site, id, outcome, header, endedSiteMs, nowMs } = args;
  const held = Number((yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM orphans WHERE site = ?", site))!.n);
  if (held >= orphansMax && args.isTold === false) return;
  if (held >= orphansMax) throw new Fault("QUEUE_FULL", { what: `${orphansMax} results of this site are for commands that this relay does not know`, why: "no more of them are kept", hint: "they go 30 days after they came" });
  yield* query("INSERT INTO orphans (site, command, header, state, outcome, received_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (site, command) DO NOTHING", site, id, header, outcome.state, JSON.stringify(outcome), nowMs);
  if (args.isTold === false) return;
  yield* putEvent({ id: `relay-orphan-${site}-${id}`, site, atMs: endedSiteMs, nowMs, kind: "orphan", what: `a result for an unknown command ${id}: ${outcome.state}` });
}
