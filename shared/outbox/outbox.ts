// The durable outbox as store operations, each able to join its caller's transaction. Promises: a letter is marked offered before its first octet
// leaves, on a live link it is never taken twice, and only a receipt (or the peer's word that it holds it) removes it.
import { invariant } from "../kit/assert.ts";
import { query, queryOne, type Operation } from "../kit/store.ts";
import { LANES, type LaneName } from "../rules/lanes.ts";
import type { LetterKind } from "./letter.ts";

export interface OutboxLetter {
  readonly id: string;
  /** The relay's site id; "" at an agent. */
  readonly site: string;
  readonly lane: LaneName;
  readonly kind: LetterKind;
  readonly replaceKey: string | null;
  readonly ord: number;
  readonly afterId: string | null;
  /** Null when the body is elsewhere (a command's row) and rendered at the offer. */
  readonly body: Uint8Array | null;
  readonly octets: number;
  readonly nowMs: number;
}

export interface LeasedLetter {
  readonly id: string;
  readonly lane: LaneName;
  readonly kind: LetterKind;
  readonly replaceKey: string | null;
  readonly ord: number;
  readonly afterId: string | null;
  readonly body: Uint8Array | null;
}

interface Row {
  id: string;
  lane: LaneName;
  kind: LetterKind;
  replace_key: string | null;
  ord: number;
  after_id: string | null;
  body: Uint8Array | null;
  octets: number;
}

/** Frame and envelope around a body; used to keep within the peer's credit of octets. */
export const letterOverheadBytes = 2_048;

export function* putLetter(letter: OutboxLetter): Operation<void> {
  // A version on its way is never touched: its receipt settles exactly what was sent.
  if (letter.replaceKey !== null) yield* query("DELETE FROM outbox WHERE site = ? AND replace_key = ? AND state = 'waiting'", letter.site, letter.replaceKey);
  yield* query(
    "INSERT INTO outbox (id, site, lane, lane_rank, kind, replace_key, ord, after_id, state, body, octets, made_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)",
    letter.id,
    letter.site,
    letter.lane,
    LANES.indexOf(letter.lane),
    letter.kind,
    letter.replaceKey,
    letter.ord,
    letter.afterId,
    letter.body,
    letter.octets,
    letter.nowMs,
  );
}

export interface LeaseRoom {
  readonly site: string;
  readonly letters: number;
  readonly octets: number;
  readonly fence: number;
}

/** Marks the next letters as offered and returns them: by lane, and in order inside it. At least one fits, or none is taken. */
export function* leaseLetters(room: LeaseRoom): Operation<LeasedLetter[]> {
  const rows = yield* query<Row>("SELECT id, lane, kind, replace_key, ord, after_id, body, octets FROM outbox WHERE site = ? AND state = 'waiting' ORDER BY lane_rank, ord LIMIT ?", room.site, room.letters);
  const leased: LeasedLetter[] = [];
  let octets = 0;
  for (const row of rows) {
    octets += row.octets + letterOverheadBytes;
    if (octets > room.octets) break;
    yield* query("UPDATE outbox SET state = 'offered', offered_fence = ? WHERE id = ?", room.fence, row.id);
    leased.push({ id: row.id, lane: row.lane, kind: row.kind, replaceKey: row.replace_key, ord: row.ord, afterId: row.after_id, body: row.body });
  }
  return leased;
}

/** The receipt: the letter is the receiver's now. */
export function* removeLetter(id: string): Operation<void> {
  yield* query("DELETE FROM outbox WHERE id = ?", id);
}

/** A letter that was refused for a reason that may pass waits again. */
export function* returnLetter(site: string, id: string): Operation<void> {
  const row = yield* queryOne<{ replace_key: string | null }>("SELECT replace_key FROM outbox WHERE id = ? AND state = 'offered'", id);
  if (row === null) return;
  const newer = row.replace_key === null ? null : yield* queryOne("SELECT id FROM outbox WHERE site = ? AND replace_key = ? AND state = 'waiting'", site, row.replace_key);
  if (newer !== null) yield* query("DELETE FROM outbox WHERE id = ?", id);
  else yield* query("UPDATE outbox SET state = 'waiting', offered_fence = NULL WHERE id = ?", id);
}

/** Letters that left on an earlier link and have no receipt. At most one letter credit, because no more was ever under way. */
export function* inDoubtLetters(site: string, limit: number): Operation<string[]> {
  const rows = yield* query<{ id: string }>("SELECT id FROM outbox WHERE site = ? AND state = 'offered' ORDER BY ord LIMIT ?", site, limit + 1);
  invariant(rows.length <= limit, "no more letters are in doubt than one credit allows");
  return rows.map((row) => row.id);
}

export interface OutboxCounts {
  readonly waiting: number;
  readonly oldestMs: number | null;
}

export function* outboxCounts(site: string): Operation<OutboxCounts> {
  const row = yield* queryOne<{ waiting: number; oldest: number | null }>("SELECT COUNT(*) AS waiting, MIN(made_ms) AS oldest FROM outbox WHERE site = ?", site);
  return { waiting: Number(row?.waiting ?? 0), oldestMs: row?.oldest ?? null };
}
