// Letters that leave the agent: claims, results, the report, events. Put in the transaction that makes them true; numbered for their signature when they are
// leased. Events are a ring: what falls out leaves a gap record, so that a hole is never silent.
import { crashPoint } from "../../shared/kit/crash.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { inDoubtLetters, isInDoubt, isUnderWay, leaseLetters, outboxCounts, putLetter, removeLetter, returnLetter, type LeaseArgs, type LeasedLetter, type OutboxCounts } from "../../shared/outbox/outbox.ts";
import type { LetterKind } from "../../shared/outbox/letter.ts";
import { draw } from "./identity.ts";

/** Events that wait; at one every few seconds, hours of a flapping link. */
const eventsWaitingMax = 1_000;
const SELF = "";

/** `body` is the JSON that gets signed; `kind` is repeated inside it. */
export function* post(letter: { readonly id: string; readonly kind: LetterKind; readonly body: Readonly<Record<string, unknown>>; readonly replaceKey?: string; readonly nowMs: number }): Operation<void> {
  const body = Buffer.from(JSON.stringify({ kind: letter.kind, ...letter.body }));
  const ord = yield* draw({ name: "order" });
  const lane = letter.kind === "event" ? "bulk" : letter.kind === "report" ? "interactive" : "deploy";
  yield* putLetter({ id: letter.id, site: SELF, lane, kind: letter.kind, replaceKey: letter.replaceKey ?? null, ord, afterId: null, body, octets: body.length, nowMs: letter.nowMs });
}

export function* postReport(args: { readonly id: string; readonly madeMs: number; readonly report: unknown }): Operation<void> {
  yield* post({ id: args.id, kind: "report", body: { madeMs: args.madeMs, report: args.report }, replaceKey: "report", nowMs: args.madeMs });
}

export function* postEvent(args: { readonly id: string; readonly atMs: number; readonly event: string; readonly what: string }): Operation<void> {
  yield* post({ id: args.id, kind: "event", body: { atMs: args.atMs, event: args.event, what: args.what }, nowMs: args.atMs });
  const count = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM outbox WHERE site = ? AND kind = 'event' AND state = 'waiting'", SELF);
  const excess = Number(count?.n ?? 0) - eventsWaitingMax;
  if (excess > 0) yield* leaveGap(excess, args.atMs);
}

function* leaveGap(excess: number, nowMs: number): Operation<void> {
  // One more than must go makes room for the record of the gap itself; an older gap record that falls is counted into the new one.
  const rows = yield* query<{ id: string; made_ms: number; body: Uint8Array }>("SELECT id, made_ms, body FROM outbox WHERE site = ? AND kind = 'event' AND state = 'waiting' ORDER BY ord LIMIT ?", SELF, excess + 1);
  let lost = 0;
  for (const row of rows) {
    const body = JSON.parse(Buffer.from(row.body).toString("utf8")) as { event: string; lost?: number };
    lost += body.event === "gap" ? (body.lost ?? 0) : 1;
    yield* removeLetter(row.id);
  }
  const first = Number(rows[0]?.made_ms ?? nowMs);
  yield* post({ id: `gap-${first}-${nowMs}-${lost}`, kind: "event", body: { atMs: first, event: "gap", what: `${lost} events from here on were dropped: too many waited`, lost }, nowMs: first });
}

export interface LeasedOwn extends LeasedLetter {
  readonly seq: number;
}

export function* leaseOwn(args: Omit<LeaseArgs, "site">): Operation<LeasedOwn[]> {
  const leased: LeasedOwn[] = [];
  for (const letter of yield* leaseLetters({ site: SELF, ...args })) leased.push({ ...letter, seq: yield* draw({ name: "seq" }) });
  return leased;
}

export function* ownInDoubt(_args: null): Operation<string[]> {
  return yield* inDoubtLetters(SELF);
}

/** The relay has it. A result's receipt moves its command; only its tombstone stays. */
function* received(id: string): Operation<void> {
  crashPoint("receipt-before-purge");
  yield* removeLetter(id);
  if (id.startsWith("result-")) yield* query("UPDATE commands SET state = 'reported', body = NULL WHERE id = ? AND state = 'outcome'", id.slice("result-".length));
}

/** A letter of this link, by its fence: what an older link says of it settles nothing. */
export interface OwnLetter {
  readonly id: string;
  readonly fence: number;
}

export function* ownReceipt(args: OwnLetter): Operation<void> {
  if (yield* isUnderWay(args.id, args.fence)) yield* received(args.id);
}

/** Refused for now: it waits again, and not before its time. */
export function* ownReturn(args: OwnLetter & { readonly notBeforeMs: number }): Operation<void> {
  if (yield* isUnderWay(args.id, args.fence)) yield* returnLetter({ id: args.id, notBeforeMs: args.notBeforeMs, hasFailed: true });
}

/** Refused for good: kept nowhere, and said so by the caller's log. */
export function* ownDrop(args: OwnLetter): Operation<void> {
  if (yield* isUnderWay(args.id, args.fence)) yield* removeLetter(args.id);
}

/** What was in doubt when the link began: held there, or waiting again. */
export function* settleOwnDoubts(args: { readonly inDoubt: readonly string[]; readonly held: readonly string[] }): Operation<void> {
  const held = new Set(args.held);
  for (const id of args.inDoubt) {
    if (!(yield* isInDoubt(id))) continue;
    if (held.has(id)) yield* received(id);
    else yield* returnLetter({ id, notBeforeMs: 0, hasFailed: false });
  }
}

export function* ownCounts(_args: null): Operation<OutboxCounts> {
  return yield* outboxCounts(SELF);
}
