// A relay whose store was put back from a copy does not know it: what a site has from it tells. Settled site by site, because a site's word must not stop the others:
// its epoch rises, nothing is offered to it until it has told what it knows of every command, and people are asked what may stand. delivery.md section 3.
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { CommandRecord } from "../../shared/rules/records.ts";
import { blockCommand, commandClaimed, commandResult, commandStored, unblockCommand } from "./command-steps.ts";
import { putEvent } from "./events.ts";
import { putRestore } from "./restores.ts";
import type { SiteRow } from "./sites.ts";

/** What a site has from this relay at most: an epoch, and a link and an order in it. */
export interface GivenOut {
  readonly relayEpoch: number;
  readonly fence: number;
  readonly order: number;
  /** Newest trust document that it has walked to. */
  readonly trustVersion: number;
}

/** What this store never gave out, or null. What a site has from before a rise that is known says nothing new. */
export function lostEvidence(site: Pick<SiteRow, "relayEpoch" | "nextOrder">, fence: number, given: GivenOut): string | null {
  if (given.relayEpoch > site.relayEpoch) return `the site has seen this relay's epoch ${given.relayEpoch}, the store is at ${site.relayEpoch}`;
  if (given.relayEpoch < site.relayEpoch) return null;
  if (given.order >= site.nextOrder) return `the site has a command of order ${given.order}, the store's next one is ${site.nextOrder}`;
  if (given.fence >= fence) return `the site had a link of number ${given.fence} before, the store's next one is ${fence}`;
  return null;
}

/** Join tokens are put on hold by one site's word no more often than this (ms): a site that lies must not keep the others from joining. */
const holdAgainMs = 86_400_000;

export interface Restore {
  readonly site: SiteRow;
  readonly given: GivenOut;
  readonly why: string;
  /** False: the site has a new database as well, which cannot say what the one before it did. */
  readonly canTell: boolean;
  readonly nowMs: number;
}

/** The store is older than what the site knows: what that means is settled from the site's records, and by people. */
export function* afterRestore({ site, given, why, canTell, nowMs }: Restore): Operation<void> {
  const relayEpoch = Math.max(site.relayEpoch, given.relayEpoch) + 1;
  yield* query("UPDATE sites SET relay_epoch = ?, restored_ms = ? WHERE id = ?", relayEpoch, nowMs, site.id);
  // Each of them may have left since the copy was made: until the site has said what it knows (and for good where it cannot), an end without effect is not to be
  // believed. The mark of those that its records will clear is the very time of the restore.
  yield* query("UPDATE commands SET relay_epoch = ?, lost_ms = COALESCE(lost_ms, ?) WHERE site = ? AND state IN ('queued', 'blocked')", relayEpoch, canTell ? nowMs : nowMs - 1, site.id);
  for (const { id } of yield* query<{ id: string }>("SELECT id FROM commands WHERE site = ? AND state IN ('queued', 'blocked') AND repeatability = 'neither'", site.id)) {
    yield* blockCommand({ site: site.id, id }, "block", "restored", "this relay was put back from a copy: it may have been done, and may not run twice; bowline restored confirm");
  }
  const before = yield* queryOne("SELECT site FROM restores WHERE site = ? AND noticed_ms > ? LIMIT 1", site.id, nowMs - holdAgainMs);
  if (before === null) yield* query("UPDATE join_tokens SET held_ms = ? WHERE held_ms IS NULL AND revoked_ms IS NULL AND expires_ms > ?", nowMs, nowMs);
  yield* putRestore({ site: site.id, relayEpoch, trustVersion: given.trustVersion, why, nowMs });
  yield* putEvent({ id: `relay-restored-${site.id}-${relayEpoch}`, site: site.id, atMs: nowMs, nowMs, kind: "alarm", what: `this relay was put back from a copy: ${why}; it offers nothing here until the site has told what it knows` });
}

export interface SiteRecords {
  readonly site: string;
  /** The epoch in which they were asked for. */
  readonly relayEpoch: number;
  readonly isLast: boolean;
  readonly commands: readonly CommandRecord[];
  readonly nowMs: number;
}

/** What the site knows of its commands, as far as this letter goes. With the last one the site may be offered commands again. */
export function* takeRecords(args: SiteRecords): Operation<void> {
  const { site, nowMs } = args;
  for (const record of args.commands) yield* takeRecord(site, record, nowMs);
  if (!args.isLast) return;
  const row = yield* queryOne<{ restored_ms: number }>("SELECT restored_ms FROM sites WHERE id = ? AND relay_epoch = ? AND restored_ms IS NOT NULL", site, args.relayEpoch);
  if (row === null) return; // the answer to an older question
  // What the site does not know never arrived there.
  yield* query("UPDATE commands SET lost_ms = NULL WHERE site = ? AND lost_ms = ?", site, row.restored_ms);
  yield* query("UPDATE sites SET restored_ms = NULL WHERE id = ?", site);
  const orphans = Number((yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM orphans WHERE site = ? AND received_ms >= ?", site, row.restored_ms))?.n ?? 0);
  yield* putEvent({ id: `relay-settled-${site}-${args.relayEpoch}`, site, atMs: nowMs, nowMs, kind: "alarm", what: `the site has told what it knows: commands are offered again; ${orphans} ended there that this relay does not know` });
}

function* takeRecord(site: string, record: CommandRecord, nowMs: number): Operation<void> {
  const { id } = record;
  if (record.state === "ended") return yield* commandResult({ ...record, site, startedSiteMs: record.startedMs, endedSiteMs: record.endedMs, nowMs, isTold: false });
  const row = yield* queryOne<{ state: string }>("SELECT state FROM commands WHERE id = ? AND site = ?", id, site);
  if (row === null) return; // its result will say what it was
  if (record.state === "ready") return yield* commandStored({ site, id }, "heldByAgent", nowMs);
  return yield* commandClaimed({ site, id, startedSiteMs: record.startedMs, nowMs });
}

/** Whatever was not revoked or cancelled before this may stand: held tokens are good again, blocked commands are queued. The sites whose commands were released. */
export function* confirmRestores(args: { readonly operator: string; readonly nowMs: number }): Operation<string[]> {
  yield* query("UPDATE restores SET confirmed_ms = ?, confirmed_by = ? WHERE confirmed_ms IS NULL", args.nowMs, args.operator);
  yield* query("UPDATE join_tokens SET held_ms = NULL WHERE held_ms IS NOT NULL");
  // A site that has not told what it knows may have done them: those wait for its word.
  const rows = yield* query<{ id: string; site: string }>("SELECT c.id, c.site FROM commands c JOIN sites s ON s.id = c.site WHERE c.state = 'blocked' AND c.blocked_reason = 'restored' AND s.restored_ms IS NULL ORDER BY c.ord");
  for (const row of rows) yield* unblockCommand(row, args.nowMs);
  return [...new Set(rows.map(({ site }) => site))];
}
