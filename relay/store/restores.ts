// What shows that this store was put back from a copy, written down for people, and what waits for their word.
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";

/** SQL: when it was last noticed that this store was put back from a copy (ms), or 0. */
export const LAST_RESTORE = "(SELECT COALESCE(MAX(noticed_ms), 0) FROM restores)";

/** Versions that a site may be ahead of a store that was put back from a copy: at one in 45 days, more than seven years. More is nobody's honest one. */
export const trustAheadMax = 64;

/** Records kept of one site: one that lies at each link must not fill the table. */
const keptOfSite = 20;

/** For people to look at. */
export function* putRestore(args: { readonly site: string; readonly relayEpoch: number; readonly trustVersion: number; readonly why: string; readonly nowMs: number }): Operation<void> {
  yield* query("INSERT INTO restores (site, relay_epoch, trust_version, noticed_ms, why) VALUES (?, ?, ?, ?, ?)", args.site, args.relayEpoch, args.trustVersion, args.nowMs, args.why);
  yield* query("DELETE FROM restores WHERE site = ? AND relay_epoch NOT IN (SELECT relay_epoch FROM restores WHERE site = ? ORDER BY relay_epoch DESC LIMIT ?)", args.site, args.site, keptOfSite);
}

export interface RestoreView {
  readonly site: string;
  readonly relayEpoch: number;
  readonly noticedMs: number;
  readonly why: string;
  /** The site has not told yet what it knows. */
  readonly isOpen: boolean;
  readonly blocked: number;
  readonly orphans: number;
}

export interface HeldToken {
  readonly id: string;
  readonly name: string;
  readonly expiresMs: number;
}

const listedMax = 500;

export interface Unconfirmed {
  readonly sites: RestoreView[];
  readonly tokens: HeldToken[];
  /** Newest trust document that one of the sites has walked to; 0 when there is nothing to confirm. */
  readonly trustVersion: number;
}

/** What people have not confirmed yet. */
export function* unconfirmedRestores(_args: null): Operation<Unconfirmed> {
  const rows = yield* query<Omit<RestoreView, "isOpen"> & { restoredMs: number | null }>(
    `SELECT s.name AS site, r.relay_epoch AS "relayEpoch", r.noticed_ms AS "noticedMs", r.why, s.restored_ms AS "restoredMs",
      (SELECT COUNT(*) FROM commands c WHERE c.site = r.site AND c.state = 'blocked' AND c.blocked_reason = 'restored') AS blocked,
      (SELECT COUNT(*) FROM orphans o WHERE o.site = r.site AND o.received_ms >= r.noticed_ms) AS orphans
     FROM restores r JOIN sites s ON s.id = r.site WHERE r.confirmed_ms IS NULL ORDER BY r.noticed_ms DESC, r.site LIMIT ?`,
    listedMax,
  );
  const tokens = yield* query<HeldToken>('SELECT id, name, expires_ms AS "expiresMs" FROM join_tokens WHERE held_ms IS NOT NULL AND revoked_ms IS NULL ORDER BY created_ms DESC LIMIT ?', listedMax);
  // What no honest site can have walked to speaks for nobody: it must not hide what others have.
  const newest = yield* queryOne<{ version: number | null }>("SELECT MAX(trust_version) AS version FROM restores WHERE confirmed_ms IS NULL AND trust_version <= (SELECT MAX(version) FROM trust) + ?", trustAheadMax);
  return { sites: rows.map(({ restoredMs, ...row }) => ({ ...row, isOpen: restoredMs !== null })), tokens, trustVersion: Number(newest?.version ?? 0) };
}
