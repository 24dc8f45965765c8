// The durable outbox as store operations, each able to join its caller's transaction. Promises: a letter is marked offered before its first octet
// leaves, on a live link it is never taken twice, a receipt settles exactly the version that left on its link, and only a receipt (or the peer's word that it
// holds it) removes it.
import { query, queryOne, type Operation } from "../kit/store.ts";
import { laneOrder, LANES, type LaneName } from "../rules/lanes.ts";
import { letterCreditLetters } from "../wire/limits.ts";
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
  /** Hex SHA-256 of the body, where there is one. */
  readonly sum?: string;
}

export interface LeasedLetter {
  readonly id: string;
  readonly lane: LaneName;
  readonly kind: LetterKind;
  readonly replaceKey: string | null;
  readonly ord: number;
  readonly afterId: string | null;
  readonly body: Uint8Array | null;
  readonly sum: string | null;
}

interface Row {
  id: string;
  lane: LaneName;
  kind: LetterKind;
  replace_key: string | null;
  ord: number;
  after_id: string | null;
  octets: number;
  made_ms: number;
  sum: string | null;
}

/** Frame, letter head and envelope around a body, at their greatest (one signer): what leaves is never more than what was counted at the lease. */
export const letterOverheadBytes = 6_144;

export function* putLetter(letter: OutboxLetter): Operation<void> {
  // A version on its way is never touched: its receipt settles exactly what was sent.
  if (letter.replaceKey !== null) yield* query("DELETE FROM outbox WHERE site = ? AND replace_key = ? AND state = 'waiting'", letter.site, letter.replaceKey);
  yield* query(
    "INSERT INTO outbox (id, site, lane, lane_rank, kind, replace_key, ord, after_id, state, body, octets, made_ms, failures, not_before_ms, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, 0, 0, ?)",
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
    letter.sum ?? null,
  );
}

export interface LeaseRoom {
  readonly letters: number;
  /** Octets that may be under way more. */
  readonly octets: number;
  /** The first letter may have as many, so that one that is larger than `octets` leaves at all: the peer's credit when nothing is under way. */
  readonly octetsMax: number;
}

export interface LeaseArgs extends LeaseRoom {
  readonly site: string;
  readonly fence: number;
  readonly nowMs: number;
}

/** Marks the next letters as offered and returns them: lanes by their weights, in order inside each. */
export function* leaseLetters(args: LeaseArgs): Operation<LeasedLetter[]> {
  const { site, fence, nowMs } = args;
  // Whatever the peer grants: letters without a receipt are named in one hello, and a hello has a length.
  const offered = Number((yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM outbox WHERE site = ? AND state = 'offered'", site))?.n ?? 0);
  const letters = Math.min(args.letters, letterCreditLetters - offered);
  const leased: LeasedLetter[] = [];
  if (letters < 1) return leased;
  let octets = 0;
  for (const row of yield* waitingInOrder(site, letters, nowMs)) {
    octets += Number(row.octets) + letterOverheadBytes;
    if (leased.length === letters || octets > (leased.length === 0 ? args.octetsMax : args.octets)) break;
    yield* query("UPDATE outbox SET state = 'offered', offered_fence = ? WHERE id = ?", fence, row.id);
    const { body } = (yield* queryOne<{ body: Uint8Array | null }>("SELECT body FROM outbox WHERE id = ?", row.id))!; // only of those that leave: many large ones may wait
    leased.push({ id: row.id, lane: row.lane, kind: row.kind, replaceKey: row.replace_key, ord: Number(row.ord), afterId: row.after_id, body, sum: row.sum });
  }
  return leased;
}

function* waitingInOrder(site: string, limit: number, nowMs: number): Operation<Row[]> {
  const lanes = { control: [], interactive: [], deploy: [], bulk: [] } as Record<LaneName, (Row & { madeMs: number })[]>;
  for (const [rank, name] of LANES.entries()) {
    const rows = yield* query<Row>(
      "SELECT id, lane, kind, replace_key, ord, after_id, octets, made_ms, sum FROM outbox WHERE site = ? AND state = 'waiting' AND lane_rank = ? AND not_before_ms <= ? ORDER BY ord LIMIT ?",
      site,
      rank,
      nowMs,
      limit,
    );
    lanes[name] = rows.map((row) => ({ ...row, madeMs: Number(row.made_ms) }));
  }
  return laneOrder(lanes, nowMs);
}

/** True while this very version is under way on this link; a receipt for any other one is of an older link and settles nothing. */
export function* isUnderWay(id: string, fence: number): Operation<boolean> {
  return (yield* queryOne("SELECT id FROM outbox WHERE id = ? AND state = 'offered' AND offered_fence = ?", id, fence)) !== null;
}

export function* removeLetter(id: string): Operation<void> {
  yield* query("DELETE FROM outbox WHERE id = ?", id);
}

/** A letter that left waits again; `notBeforeMs` when it was refused and would be again. Of two versions of one replace key the newer survives. */
export function* returnLetter(args: { readonly id: string; readonly notBeforeMs: number; readonly hasFailed: boolean }): Operation<void> {
  const row = yield* queryOne<{ site: string; replace_key: string | null; ord: number }>("SELECT site, replace_key, ord FROM outbox WHERE id = ? AND state = 'offered'", args.id);
  if (row === null) return;
  if (row.replace_key !== null) {
    const other = yield* queryOne<{ id: string; ord: number }>("SELECT id, ord FROM outbox WHERE site = ? AND replace_key = ? AND state = 'waiting'", row.site, row.replace_key);
    if (other !== null && Number(other.ord) > Number(row.ord)) return yield* removeLetter(args.id);
    if (other !== null) yield* removeLetter(other.id);
  }
  yield* query("UPDATE outbox SET state = 'waiting', offered_fence = NULL, not_before_ms = ?, failures = failures + ? WHERE id = ?", args.notBeforeMs, args.hasFailed ? 1 : 0, args.id);
}

/** Letters that left on an earlier link and have no receipt. No more are ever offered than one hello can name; were there more, the rest is named on the next link. */
export function* inDoubtLetters(site: string): Operation<string[]> {
  const rows = yield* query<{ id: string }>("SELECT id FROM outbox WHERE site = ? AND state = 'offered' ORDER BY ord LIMIT ?", site, letterCreditLetters);
  return rows.map((row) => row.id);
}

/** True when the letter is still in doubt: nobody settled it since the question was asked. */
export function* isInDoubt(id: string): Operation<boolean> {
  return (yield* queryOne("SELECT id FROM outbox WHERE id = ? AND state = 'offered'", id)) !== null;
}

export interface OutboxCounts {
  readonly waiting: number;
  readonly oldestMs: number | null;
  /** Refused by the peer, and kept. */
  readonly refused: number;
}

export function* outboxCounts(site: string): Operation<OutboxCounts> {
  const row = yield* queryOne<{ waiting: number; oldest: number | null; refused: number }>("SELECT COUNT(*) AS waiting, MIN(made_ms) AS oldest, COUNT(CASE WHEN failures > 0 THEN 1 END) AS refused FROM outbox WHERE site = ?", site);
  return { waiting: Number(row?.waiting ?? 0), oldestMs: row?.oldest === undefined || row.oldest === null ? null : Number(row.oldest), refused: Number(row?.refused ?? 0) };
}
