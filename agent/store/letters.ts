// Letters that leave the agent: claims, results, the report, events (history.ts says which are kept). Put in the transaction that makes them true; numbered for their
// signature when they are leased.
import { createHash } from "node:crypto";
import type { CommandOutcome } from "../../shared/api.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { inDoubtLetters, isInDoubt, isUnderWay, leaseLetters, outboxCounts, putLetter, removeLetter, returnLetter, type LeaseArgs, type LeasedLetter, type OutboxCounts } from "../../shared/outbox/outbox.ts";
import type { LetterKind } from "../../shared/outbox/letter.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { boundedOutcome, cut } from "../../shared/rules/outcome.ts";
import { headerBytes, type HeaderParts } from "../../shared/trust/envelope.ts";
import { draw, putFacts } from "./identity.ts";
import { commandReported } from "./tombstones.ts";

const SELF = "";

/** Records go first: until the relay has them it offers nothing. */
const LANE_OF: Readonly<Partial<Record<LetterKind, LaneName>>> = { records: "control", report: "interactive", event: "bulk" };

/** `body` is the JSON that gets signed; `kind` is repeated inside it. */
export function* post(letter: { readonly id: string; readonly kind: LetterKind; readonly body: Readonly<Record<string, unknown>>; readonly replaceKey?: string; readonly nowMs: number }): Operation<void> {
  const body = bodyOf(letter.kind, letter.body);
  const ord = yield* draw({ name: "order" });
  const lane = LANE_OF[letter.kind] ?? "deploy";
  yield* putLetter({ id: letter.id, site: SELF, lane, kind: letter.kind, replaceKey: letter.replaceKey ?? null, ord, afterId: null, body, octets: body.length, nowMs: letter.nowMs, sum: sumOf(body) });
}

function bodyOf(kind: LetterKind, body: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(JSON.stringify({ kind, ...body }));
}

function sumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

export function* postReport(args: { readonly id: string; readonly madeMs: number; readonly report: unknown }): Operation<void> {
  yield* post({ id: args.id, kind: "report", body: { madeMs: args.madeMs, report: args.report }, replaceKey: "report", nowMs: args.madeMs });
}

export interface LeasedOwn extends LeasedLetter {
  /** What is signed, with our next number and the hash of our header before. */
  readonly parts: HeaderParts;
}

export interface OwnLease extends Omit<LeaseArgs, "site"> {
  readonly siteId: string;
  readonly epoch: number;
  /** Hex id of the site's key. */
  readonly kid: string;
}

export function* leaseOwn(args: OwnLease): Operation<LeasedOwn[]> {
  const leased: LeasedOwn[] = [];
  let prev = (yield* queryOne<{ value: string }>("SELECT value FROM facts WHERE name = 'prevHash'"))?.value ?? "";
  for (const letter of yield* leaseLetters({ ...args, site: SELF })) {
    const typ = letter.kind === "report" || letter.kind === "event" ? "report" : "result";
    const parts: HeaderParts = { typ, aud: args.siteId, epoch: args.epoch, seq: yield* draw({ name: "seq" }), prev, cid: letter.id, iat: args.nowMs, nbf: 0, exp: 0, cls: "read" };
    const body = letter.body ?? new Uint8Array(0);
    prev = createHash("sha256").update(headerBytes(parts, args.kid, { len: body.length, sha256: letter.sum ?? sumOf(body) })).digest("hex");
    leased.push({ ...letter, parts });
  }
  if (leased.length > 0) yield* putFacts({ facts: { prevHash: prev } });
  return leased;
}

export function* ownInDoubt(_args: null): Operation<string[]> {
  return yield* inDoubtLetters(SELF);
}

/** Results are never dropped; what is said elsewhere too, or is stale by tomorrow, is not kept for its own sake. */
const RESULT = "result-";

/** The relay has it. A result's receipt moves its command; only its tombstone stays. */
function* received(id: string, fence: number | null): Operation<void> {
  crashPoint("receipt-before-purge");
  yield* removeLetter(id);
  if (id.startsWith(RESULT)) yield* commandReported(id.slice(RESULT.length), fence);
}

/** A letter of this link, by its fence: what an older link says of it settles nothing. */
export interface OwnLetter {
  readonly id: string;
  readonly fence: number;
  readonly nowMs: number;
}

export function* ownReceipt(args: OwnLetter): Operation<void> {
  if (yield* isUnderWay(args.id, args.fence)) yield* received(args.id, args.fence);
}

/** Waits (ms) of a letter that was refused: the relay has no room now, or it will not have it at all. The second is tried too: a newer relay may. */
const refusedMs = { first: 30_000, most: 300_000 } as const;
const refusedForGoodMs = { first: 3_600_000, most: 86_400_000 } as const;

function* putBack(args: OwnLetter, waits: { readonly first: number; readonly most: number }): Operation<void> {
  const row = yield* queryOne<{ failures: number }>("SELECT failures FROM outbox WHERE id = ?", args.id);
  const waitMs = Math.min(waits.most, waits.first * 2 ** Math.min(Number(row?.failures ?? 0), 16));
  yield* returnLetter({ id: args.id, notBeforeMs: args.nowMs + waitMs, hasFailed: true });
}

/** Refused for now: it waits again, and not before its time. */
export function* ownReturn(args: OwnLetter): Operation<void> {
  if (yield* isUnderWay(args.id, args.fence)) yield* putBack(args, refusedMs);
}

/** Refused for good. A result is true whatever the relay thinks of it: it is kept and offered again, ever more seldom. */
export function* ownRefused(args: OwnLetter): Operation<"kept" | "dropped"> {
  if (!(yield* isUnderWay(args.id, args.fence))) return "kept";
  if (args.id.startsWith(RESULT)) {
    yield* putBack(args, refusedForGoodMs);
    return "kept";
  }
  yield* removeLetter(args.id);
  return "dropped";
}

interface EndedRow {
  id: string;
  header: string | null;
  outcome: string;
  started_ms: number | null;
  ended_ms: number;
  /** Link on which the relay said that it has the result, or null. */
  receipt_fence: number | null;
}

/** What the command's row has kept of its end; null for one that is open, or unknown here. */
function* endedRow(id: string): Operation<EndedRow | null> {
  return yield* queryOne<EndedRow>("SELECT id, header, outcome, started_ms, ended_ms, receipt_fence FROM commands WHERE id = ? AND state IN ('outcome', 'reported', 'purged')", id);
}

function resultBody(row: EndedRow, outcome: CommandOutcome): Readonly<Record<string, unknown>> {
  return { command: row.id, header: row.header ?? "", startedMs: row.started_ms === null ? null : Number(row.started_ms), endedMs: Number(row.ended_ms), outcome };
}

/**
 * The relay asks about a command that has ended here: its result leaves again, of a tombstone what that has kept. A relay that has the result never asks, so its
 * store was put back from a copy; or its question and our result crossed on this link (`fence`), and it has it. A result that still waits here waits no longer for
 * its next try; one that is under way is left to its receipt.
 */
export function* resultAgain(command: string, asked: { readonly fence: number; readonly nowMs: number }): Operation<void> {
  const row = yield* endedRow(command);
  if (row === null || (row.receipt_fence !== null && Number(row.receipt_fence) === asked.fence)) return;
  const id = `${RESULT}${command}`;
  const known = yield* queryOne("SELECT id FROM outbox WHERE id = ?", id);
  if (known === null) return yield* post({ id, kind: "result", body: resultBody(row, JSON.parse(row.outcome) as CommandOutcome), nowMs: asked.nowMs });
  yield* query("UPDATE outbox SET not_before_ms = 0 WHERE id = ? AND state = 'waiting'", id);
}

/** A letter that cannot be signed and sent as it is: a result becomes a short one that says so, anything else goes. */
export function* ownUnsendable(args: OwnLetter & { readonly why: string }): Operation<void> {
  if (!(yield* isUnderWay(args.id, args.fence))) return;
  const row = args.id.startsWith(RESULT) ? yield* endedRow(args.id.slice(RESULT.length)) : null;
  if (row === null) return yield* removeLetter(args.id);
  const { state, what, code } = JSON.parse(row.outcome) as CommandOutcome;
  const outcome = boundedOutcome({ state, what: `${cut(what, 500)} (its details cannot be sent: ${args.why})`, code, objects: [] });
  const body = bodyOf("result", resultBody(row, outcome));
  yield* query("UPDATE outbox SET body = ?, octets = ?, sum = ? WHERE id = ?", body, body.length, sumOf(body), args.id);
  const tried = yield* queryOne<{ failures: number }>("SELECT failures FROM outbox WHERE id = ?", args.id);
  if (Number(tried?.failures ?? 0) > 0) return yield* putBack(args, refusedForGoodMs); // the short one cannot leave either
  yield* returnLetter({ id: args.id, notBeforeMs: 0, hasFailed: true });
}

/** What was in doubt when the link began: held there, or waiting again. */
export function* settleOwnDoubts(args: { readonly inDoubt: readonly string[]; readonly held: readonly string[] }): Operation<void> {
  const held = new Set(args.held);
  for (const id of args.inDoubt) {
    if (!(yield* isInDoubt(id))) continue;
    if (held.has(id)) yield* received(id, null);
    else yield* returnLetter({ id, notBeforeMs: 0, hasFailed: false });
  }
}

export function* ownCounts(_args: null): Operation<OutboxCounts> {
  return yield* outboxCounts(SELF);
}
