// What happened at and with a site, newest kept: three rings per site, so that a link that flaps pushes out no command's end and no alarm. `at_ms` is when it happened
// (the site's clock for the site's own), `received_ms` when it was known here. The same event again changes nothing.
import { query, type Operation } from "../../shared/kit/store.ts";

/** Events kept per site, by ring. */
const ringMax = { link: 100, command: 300, other: 100 } as const;

/** What a site says is free text: whatever is not known has one ring together. */
function ringOf(kind: string): keyof typeof ringMax {
  if (kind === "link-up" || kind === "link-down") return "link";
  return kind === "command" ? "command" : "other";
}

export interface NewEvent {
  readonly id: string;
  readonly site: string;
  readonly atMs: number;
  readonly nowMs: number;
  readonly kind: string;
  readonly what: string;
}

export function* putEvent(event: NewEvent): Operation<void> {
  const ring = ringOf(event.kind);
  yield* query("INSERT INTO events (id, site, at_ms, received_ms, kind, what, ring) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", event.id, event.site, event.atMs, event.nowMs, event.kind, event.what.slice(0, 1_000), ring);
  // By the time of the newest that falls out: one walk over the index, however many events a returning site brings.
  yield* query(
    "DELETE FROM events WHERE site = ? AND ring = ? AND (at_ms, id) <= (SELECT at_ms, id FROM events WHERE site = ? AND ring = ? ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET ?)",
    event.site,
    ring,
    event.site,
    ring,
    ringMax[ring],
  );
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
