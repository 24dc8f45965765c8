// What the agent knows of itself, its relay and its trust: counters that never go back, facts by name, trust documents, numbers of signers.
import { invariant } from "../../shared/kit/assert.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";

export type CounterName = "dial" | "seq" | "order";

/** The first of the next `count` numbers, all durable before one is used. */
export function* draw(args: { readonly name: CounterName; readonly count?: number }): Operation<number> {
  const count = args.count ?? 1;
  const row = yield* queryOne<{ value: number }>("UPDATE counters SET value = value + ? WHERE name = ? RETURNING value", count, args.name);
  invariant(row !== null, "every counter exists from the first migration");
  return Number(row.value) - count + 1;
}

export type FactName = "agentEpoch" | "relay" | "joining" | "site" | "name" | "statement" | "relayEpoch" | "clock" | "boot" | "cleanStop" | "prevHash" | "formerEpochs" | "quarantined" | "bornMs" | "hasWitness";

export function* putFacts(args: { readonly facts: Readonly<Partial<Record<FactName, string>>>; readonly drop?: readonly FactName[] }): Operation<void> {
  for (const [name, value] of Object.entries(args.facts)) yield* query("INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value);
  for (const name of args.drop ?? []) yield* query("DELETE FROM facts WHERE name = ?", name);
}

export function* allFacts(_args: null): Operation<Partial<Record<FactName, string>>> {
  const rows = yield* query<{ name: FactName; value: string }>("SELECT name, value FROM facts");
  return Object.fromEntries(rows.map((row) => [row.name, row.value]));
}

export function* trustChain(_args: null): Operation<Uint8Array[]> {
  const rows = yield* query<{ envelope: Uint8Array }>("SELECT envelope FROM trust ORDER BY version");
  return rows.map((row) => row.envelope);
}

/** Documents that were walked; version N is never replaced. */
function* putTrust(args: { readonly documents: readonly { readonly version: number; readonly envelope: Uint8Array }[] }): Operation<void> {
  for (const { version, envelope } of args.documents) yield* query("INSERT INTO trust (version, envelope) VALUES (?, ?) ON CONFLICT (version) DO NOTHING", version, envelope);
}

/** A WELCOME, all of it or nothing: documents without the facts that came with them would be a join that never ends. */
export function* takeWelcome(args: { readonly documents: readonly { readonly version: number; readonly envelope: Uint8Array }[]; readonly facts: Readonly<Partial<Record<FactName, string>>> }): Operation<void> {
  yield* putTrust({ documents: args.documents });
  yield* putFacts({ facts: args.facts });
}

/** Numbers kept per signer; above it the lowest become the floor. A signer has at most some thousand commands open at one site. */
const seenMax = 20_000;

export interface TakenNumber {
  readonly kid: string;
  readonly seq: number;
  /** What the signer said of the numbers below. */
  readonly floor: number;
  readonly exp: number;
}

/** True when this signer's number was taken before. Otherwise it is taken now, in the caller's transaction, and what the signer never sends again is forgotten. */
export function* takeSeq({ kid, seq, floor: said, exp }: TakenNumber): Operation<boolean> {
  const row = yield* queryOne<{ floor: number }>("SELECT floor FROM floors WHERE kid = ?", kid);
  const floor = Number(row?.floor ?? 0);
  if (seq <= floor) return true;
  const taken = yield* query("INSERT INTO seen (kid, seq, exp) VALUES (?, ?, ?) ON CONFLICT (kid, seq) DO NOTHING RETURNING seq", kid, seq, exp);
  if (taken.length === 0) return true;
  if (said > floor) yield* setFloor(kid, said);
  // Counting walks the numbers of a signer; how far the rows lie apart is known at once, and is never less than there are.
  const span = yield* queryOne<{ n: number }>("SELECT (SELECT MAX(rowid) FROM seen) - (SELECT MIN(rowid) FROM seen) + 1 AS n");
  if (Number(span?.n ?? 0) <= seenMax) return false;
  const count = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM seen WHERE kid = ?", kid);
  if (Number(count?.n ?? 0) > seenMax) yield* raiseFloor(kid);
  return false;
}

/** The floor rises over everything that has expired: it would be refused by its time anyway. */
function* raiseFloor(kid: string): Operation<void> {
  const row = yield* queryOne<{ seq: number }>("SELECT seq FROM seen WHERE kid = ? ORDER BY seq LIMIT 1 OFFSET ?", kid, seenMax / 2);
  if (row !== null) yield* setFloor(kid, Number(row.seq));
}

function* setFloor(kid: string, floor: number): Operation<void> {
  yield* query("INSERT INTO floors (kid, floor) VALUES (?, ?) ON CONFLICT (kid) DO UPDATE SET floor = excluded.floor", kid, floor);
  yield* query("DELETE FROM seen WHERE kid = ? AND seq <= ?", kid, floor);
}

/** Of a database that takes another one's place: what was taken there is not taken here. */
export function* raiseFloors(floors: Readonly<Record<string, number>>): Operation<void> {
  for (const [kid, floor] of Object.entries(floors)) {
    const row = yield* queryOne<{ floor: number }>("SELECT floor FROM floors WHERE kid = ?", kid);
    if (floor > Number(row?.floor ?? 0)) yield* setFloor(kid, floor);
  }
}
