// What happened at the site, kept while it is cut off: a ring per subject of the first and the newest, every failure of a command, all within the share of the history.
// What falls out leaves one record per ring that says how many and from when to when, so that a hole is never silent; a link that flaps for a month pushes out nothing
// but itself. delivery.md sections 1 and 6.
import { query, type Operation } from "../../shared/kit/store.ts";
import { removeLetter } from "../../shared/outbox/outbox.ts";
import { post } from "./letters.ts";
import { historyExcess } from "./room.ts";

/** Rings in the order in which they give way when all of them together are too large. */
const RINGS = ["link", "agent", "command", "failure"] as const;
type Ring = (typeof RINGS)[number];
const NAMES: Readonly<Record<Ring, string>> = { link: "link events", agent: "events of the agent", command: "ends of commands", failure: "failures of commands" };
/** Of a ring: its first event, and the newest. Failures have the whole share. */
const newestMax = 50;
const keptMs = 30 * 86_400_000;
const rowsAtOnce = 100;
/** A history that is too large shrinks to this part of its share: not at each event again. */
const shrinkTo = 0.95;

export interface NewEvent {
  readonly id: string;
  readonly atMs: number;
  readonly event: string;
  readonly what: string;
  /** Of a command that did not succeed: kept beside the ring of those that did. */
  readonly isFailure?: boolean;
}

function ringOf({ event, isFailure }: NewEvent): Ring {
  if (event === "link-up" || event === "link-down") return "link";
  if (event !== "command") return "agent";
  return isFailure === true ? "failure" : "command";
}

export function* postEvent(event: NewEvent): Operation<void> {
  const ring = ringOf(event);
  yield* put(event.id, ring, event.atMs, { atMs: event.atMs, event: event.event, what: event.what });
  if (ring !== "failure") {
    const rows = yield* waitingOf(ring, newestMax + rowsAtOnce);
    yield* drop(ring, rows.slice(1, Math.max(1, rows.length - newestMax)));
  }
  if ((yield* historyExcess()) > 0) yield* shrink();
}

function* put(id: string, ring: string, atMs: number, body: Readonly<Record<string, unknown>>): Operation<void> {
  yield* post({ id, kind: "event", body, nowMs: atMs });
  yield* query("UPDATE outbox SET ring = ? WHERE id = ?", ring, id);
}

interface Waiting {
  readonly id: string;
  readonly made_ms: number;
}

/** What is on its way is not touched: its receipt is only a commit away. */
function* waitingOf(ring: Ring, limit: number, beforeMs = Number.MAX_SAFE_INTEGER): Operation<Waiting[]> {
  return yield* query<Waiting>("SELECT id, made_ms FROM outbox WHERE ring = ? AND state = 'waiting' AND made_ms < ? ORDER BY ord LIMIT ?", ring, beforeMs, limit);
}

/** All rings together are too large: whole batches, so that this happens seldom. */
function* shrink(): Operation<void> {
  for (const ring of RINGS) {
    while ((yield* historyExcess(shrinkTo)) > 0) {
      const rows = yield* waitingOf(ring, rowsAtOnce);
      if (rows.length === 0) break;
      yield* drop(ring, rows);
    }
  }
}

/** Events whose time is over go, a few at a time. */
export function* purgeHistory(args: { readonly nowMs: number }): Operation<void> {
  for (const ring of RINGS) yield* drop(ring, yield* waitingOf(ring, rowsAtOnce, args.nowMs - keptMs));
}

interface Gap {
  readonly lost: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One record of a ring's gap waits: an older one is counted into the new one. One that is on its way stays what it is, and the next begins anew. */
function* drop(ring: Ring, rows: readonly Waiting[]): Operation<void> {
  if (rows.length === 0) return;
  const records = yield* query<{ id: string; body: Uint8Array }>("SELECT id, body FROM outbox WHERE ring = ? AND state = 'waiting'", `gap-${ring}`);
  const gaps: Gap[] = [...records.map(({ body }) => JSON.parse(Buffer.from(body).toString("utf8")) as Gap), ...rows.map(({ made_ms: atMs }) => ({ lost: 1, fromMs: Number(atMs), toMs: Number(atMs) }))];
  for (const { id } of [...records, ...rows]) yield* removeLetter(id);
  const lost = gaps.reduce((sum, gap) => sum + gap.lost, 0);
  const fromMs = gaps.reduce((least, gap) => Math.min(least, gap.fromMs), Infinity);
  const toMs = gaps.reduce((most, gap) => Math.max(most, gap.toMs), 0);
  const what = `${lost} ${NAMES[ring]} between ${minute(fromMs)} and ${minute(toMs)} UTC were not kept`;
  yield* put(`gap-${ring}-${fromMs}-${toMs}-${lost}`, `gap-${ring}`, fromMs, { atMs: fromMs, event: "gap", what, lost, fromMs, toMs });
}

function minute(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}
