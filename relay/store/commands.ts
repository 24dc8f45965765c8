// Commands at the relay as people see them: accepted with their order, their keys and their letter in one transaction, found again by an Idempotency-Key
// whatever became of the site's name, listed. The steps that move them are in command-steps.ts.
import type { CommandSpec } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { Repeatability } from "../../shared/rules/command-kinds.ts";
import type { RelayState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { outcomeHeadChars } from "../../shared/rules/outcome.ts";
import { shownKey, type TargetKey } from "../../shared/rules/ordering.ts";
import { endHere, queueLetter } from "./command-steps.ts";
import { relayEpoch } from "./counters.ts";
import { findSite, OPEN_STATES, unknownSite, type SiteRow } from "./sites.ts";
import { putTargets } from "./targets.ts";

/** Open commands of one site, and their octets: beyond it the caller is told what fills the queue. delivery.md section 6. */
const openCommandsMax = 1_000;
const openCommandOctetsMax = 64 * 1_048_576;
/** What is known of a command outlives its deadline by this (ms): its key answers retries, and a late result still finds it. */
export const keptMs = 30 * 86_400_000;
const listedMax = 500;

export interface CommandRow {
  readonly id: string;
  readonly site: string;
  readonly siteName: string;
  readonly ord: number;
  readonly kind: CommandSpec["kind"];
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
  readonly cancelAskedMs: number | null;
  /** JSON of a CommandOutcome; in a list its first characters (rules/outcome.ts, findOutcome). */
  readonly outcome: string | null;
}

/** The site's name by a query of its own: SQLite prepares a join with a bound value anew each time that it is run, which costs ten times what the row does. */
const SHORT =
  'c.id, c.site, (SELECT s.name FROM sites s WHERE s.id = c.site) AS "siteName", c.ord, c.kind, c.what, c.operator, c.state, c.why, c.deadline_ms AS "deadlineMs", c.asked_ms AS "askedMs", c.offered_ms AS "offeredMs", c.stored_ms AS "storedMs", c.ended_ms AS "endedMs", c.started_site_ms AS "startedSiteMs", c.ended_site_ms AS "endedSiteMs", c.cancel_asked_ms AS "cancelAskedMs"';
const COLUMNS = `${SHORT}, c.outcome`;

export interface NewCommand {
  readonly id: string;
  readonly siteName: string;
  readonly kind: string;
  readonly repeatability: Repeatability;
  readonly lane: LaneName;
  readonly what: string;
  readonly keys: readonly TargetKey[];
  readonly collapseKey: string | null;
  /** What is signed at the offer, and its SHA-256 in hex. */
  readonly body: Uint8Array;
  readonly bodyHash: string;
  readonly operator: string;
  readonly deadlineMs: number;
  readonly runMs: number;
  readonly nowMs: number;
  readonly idempotencyKey: string | null;
  /** Of the whole request: the same key with another one is a conflict. */
  readonly requestHash: string;
}

interface KeyedSite {
  readonly site: string;
  readonly command: string;
}

/** What was accepted under this caller's key, or null. The first thing that is asked: a retry is answered from the record, also when the site was renamed or is gone. Fault CONFLICT for another request. */
export function* findKeyedCommand(args: { readonly caller: string; readonly key: string; readonly requestHash: string }): Operation<CommandRow | null> {
  const before = yield* queryOne<{ request_hash: string; sites: string }>("SELECT request_hash, sites FROM command_keys WHERE caller = ? AND idempotency_key = ?", args.caller, args.key);
  if (before === null) return null;
  const { command } = (JSON.parse(before.sites) as KeyedSite[])[0]!;
  if (before.request_hash !== args.requestHash) throw new Fault("CONFLICT", { what: "this Idempotency-Key was used for another request", why: `it belongs to command ${command}`, hint: "use a new key for a new request" });
  return yield* commandRow({ id: command });
}

export function* submitCommand(command: NewCommand): Operation<CommandRow> {
  const { idempotencyKey, operator, nowMs } = command;
  if (idempotencyKey !== null) {
    const before = yield* findKeyedCommand({ caller: operator, key: idempotencyKey, requestHash: command.requestHash });
    if (before !== null) return before;
  }
  const site = yield* activeSite(command.siteName);
  yield* supersede(site.id, command);
  yield* requireRoom(site.id, site.name, command.body.length);
  const ord = yield* insertCommand(site.id, command);
  yield* putTargets(site.id, command.id, command.keys);
  if (idempotencyKey !== null) {
    const sites: KeyedSite[] = [{ site: site.id, command: command.id }];
    yield* query("INSERT INTO command_keys (caller, idempotency_key, request_hash, sites, made_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)", operator, idempotencyKey, command.requestHash, JSON.stringify(sites), nowMs, command.deadlineMs + keptMs);
  }
  yield* queueLetter({ site: site.id, id: command.id, lane: command.lane, ord, octets: command.body.length }, nowMs);
  return yield* commandRow({ id: command.id });
}

function* activeSite(name: string): Operation<SiteRow> {
  const site = yield* findSite({ name });
  if (site === null || site.state === "revoked") throw unknownSite(name);
  if (site.state === "denied") throw new Fault("STATE_REFUSED", { what: `${site.name} takes no orders`, why: "an operator denied its agent", hint: `bowline site rm ${site.name} frees the name; then join again at the site, with a new token and an empty --data folder` });
  if (site.state !== "active") throw new Fault("SITE_WAITING", { what: `${site.name} is not approved yet`, why: `it is ${site.state}`, hint: `bowline approve ${site.name} --code CODE` });
  return site;
}

/** Those of the same collapse key that have not left end here; what has left goes on. */
function* supersede(site: string, command: NewCommand): Operation<void> {
  if (command.collapseKey === null) return;
  const rows = yield* query<{ id: string }>("SELECT id FROM commands WHERE site = ? AND state IN ('queued', 'blocked') AND collapse_key = ?", site, command.collapseKey);
  for (const { id } of rows) yield* endHere({ site, id }, "supersede", `${command.id} took its place`, command.nowMs);
}

function* insertCommand(site: string, command: NewCommand): Operation<number> {
  const drawn = yield* queryOne<{ ord: number }>("UPDATE sites SET next_order = next_order + 1 WHERE id = ? RETURNING next_order - 1 AS ord", site);
  const ord = Number(drawn!.ord);
  yield* query(
    "INSERT INTO commands (id, site, relay_epoch, ord, ordering_key, collapse_key, lane, kind, repeatability, on_failure, what, body, body_hash, octets, operator, state, why, nbf_ms, deadline_ms, run_ms, asked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'continue', ?, ?, ?, ?, ?, 'queued', '', 0, ?, ?, ?)",
    command.id,
    site,
    yield* relayEpoch(null),
    ord,
    shownKey(command.keys),
    command.collapseKey,
    command.lane,
    command.kind,
    command.repeatability,
    command.what,
    command.body,
    command.bodyHash,
    command.body.length,
    command.operator,
    command.deadlineMs,
    command.runMs,
    command.nowMs,
  );
  return ord;
}

function* requireRoom(site: string, name: string, octets: number): Operation<void> {
  const row = yield* queryOne<{ n: number; octets: number | null }>(`SELECT COUNT(*) AS n, SUM(octets) AS octets FROM commands WHERE site = ? AND state IN ${OPEN_STATES}`, site);
  const open = Number(row?.n ?? 0);
  const held = Number(row?.octets ?? 0);
  if (open < openCommandsMax && held + octets <= openCommandOctetsMax) return;
  const why = open >= openCommandsMax ? `${open} commands are open, ${openCommandsMax} may be` : `open commands hold ${Math.round(held / 1_048_576)} MiB, ${openCommandOctetsMax / 1_048_576} MiB may be held`;
  throw new Fault("QUEUE_FULL", { what: `the queue of ${name} is full`, why, hint: `bowline command ls --site ${name} shows what fills it; try again when the site has taken some` });
}

export function* commandRow(args: { readonly id: string }): Operation<CommandRow> {
  const row = yield* queryOne<CommandRow>(`SELECT ${COLUMNS} FROM commands c WHERE c.id = ?`, args.id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${args.id.slice(0, 80)}`, hint: "bowline command ls" });
  return row;
}

/** Newest first. Of a long outcome only its head is read: five hundred whole ones, of sites that want it so, would be more than a list can carry. */
export function* listCommands(args: { readonly site: string | null; readonly state: string | null }): Operation<CommandRow[]> {
  const wanted = [...(args.site === null ? [] : [["s.name = ?", args.site] as const]), ...(args.state === null ? [] : [["c.state = ?", args.state] as const])];
  const where = wanted.length === 0 ? "" : `WHERE ${wanted.map(([sql]) => sql).join(" AND ")}`;
  return yield* query<CommandRow>(`SELECT ${SHORT}, SUBSTR(c.outcome, 1, ?) AS outcome FROM commands c JOIN sites s ON s.id = c.site ${where} ORDER BY c.asked_ms DESC, c.ord DESC LIMIT ?`, outcomeHeadChars + 1, ...wanted.map(([, value]) => value), listedMax);
}
