// Idempotency-Keys: what a caller asked for under one, as a hash, and the sites that it meant with the command of each. The record is written once, with the
// command (one site) or before the first of them (many), and from then on it alone says which sites the order is for: labels and names may change. A retry is
// answered from it, and completes what a crash left out. delivery.md section 2.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { commandRow, keptMs, type CommandRow } from "./commands.ts";

/** A site that was meant; one that was named and did not exist has neither id nor command, and stays so. */
export interface KeyedSite {
  readonly site: string | null;
  readonly name: string;
  readonly command: string | null;
}

export interface KeyOf {
  readonly caller: string;
  readonly key: string;
  readonly requestHash: string;
}

export interface KeyRecord {
  readonly sites: readonly KeyedSite[];
  /** Of the order when it was first given: a retry does not move its deadline. */
  readonly deadlineMs: number;
  readonly madeMs: number;
}

export interface NewKey extends KeyOf {
  readonly sites: readonly KeyedSite[];
  readonly deadlineMs: number;
  readonly nowMs: number;
}

/** What was asked for under this caller's key, or null. The first thing that is asked: a retry is answered from the record, whatever became of the sites. Fault CONFLICT for another request. */
export function* findKey({ caller, key, requestHash }: KeyOf): Operation<KeyRecord | null> {
  const row = yield* queryOne<{ request_hash: string; sites: string; made_ms: number; expires_ms: number }>("SELECT request_hash, sites, made_ms, expires_ms FROM command_keys WHERE caller = ? AND idempotency_key = ?", caller, key);
  if (row === null) return null;
  const sites = JSON.parse(row.sites) as KeyedSite[];
  if (row.request_hash !== requestHash) throw new Fault("CONFLICT", { what: "this Idempotency-Key was used for another request", why: whose(sites), hint: "use a new key for a new request" });
  return { sites, deadlineMs: Number(row.expires_ms) - keptMs, madeMs: Number(row.made_ms) };
}

function whose(sites: readonly KeyedSite[]): string {
  const first = sites.find(({ command }) => command !== null)?.command;
  if (first === undefined) return "it belongs to an order for sites that do not exist";
  return sites.length === 1 ? `it belongs to command ${first}` : `it belongs to an order for ${sites.length} sites, the first of them command ${first}`;
}

/** The one command that was accepted under this key, or null. */
export function* findKeyedCommand(args: KeyOf): Operation<CommandRow | null> {
  const before = yield* findKey(args);
  return before === null ? null : yield* commandRow({ id: before.sites[0]!.command! });
}

/** Writes the record, or answers the one that another call of the same request wrote first. Fault CONFLICT. */
export function* putKey(args: NewKey): Operation<KeyRecord> {
  const before = yield* findKey(args);
  if (before !== null) return before;
  const { caller, key, requestHash, sites, deadlineMs, nowMs } = args;
  yield* query("INSERT INTO command_keys (caller, idempotency_key, request_hash, sites, made_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)", caller, key, requestHash, JSON.stringify(sites), nowMs, deadlineMs + keptMs);
  return { sites, deadlineMs, madeMs: nowMs };
}
