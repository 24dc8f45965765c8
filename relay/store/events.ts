// What happened at and with a site, newest kept: a ring per site. `at_ms` is when it happened (the site's clock for the site's own), `received_ms` when
// it was known here. The same event again changes nothing.
import { query, type Operation } from "../../shared/kit/store.ts";

/** Events kept per site. */
const eventsPerSiteMax = 500;

export interface NewEvent {
  readonly id: string;
  readonly site: string;
  readonly atMs: number;
  readonly nowMs: number;
  readonly kind: string;
  readonly what: string;
}

export function* putEvent(event: NewEvent): Operation<void> {
  yield* query("INSERT INTO events (id, site, at_ms, received_ms, kind, what) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", event.id, event.site, event.atMs, event.nowMs, event.kind, event.what.slice(0, 1_000));
  // By the time of the newest that falls out: one walk over the index, however many events a returning site brings.
  yield* query("DELETE FROM events WHERE site = ? AND (at_ms, id) <= (SELECT at_ms, id FROM events WHERE site = ? ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET ?)", event.site, event.site, eventsPerSiteMax);
}

export interface EventRow {
  readonly atMs: number;
  readonly receivedMs: number;
  readonly kind: string;
  readonly what: string;
}

export function* eventsOf(args: { readonly site: string; readonly limit: number }): Operation<EventRow[]> {
  return yield* query<EventRow>('SELECT at_ms AS "atMs", received_ms AS "receivedMs", kind, what FROM events WHERE site = ? ORDER BY at_ms DESC, id DESC LIMIT ?', args.site, args.limit);
}
