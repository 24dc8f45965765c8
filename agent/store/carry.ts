// What a new database takes over from one that was put aside: what is true whatever else was lost (results, events, tombstones, signers' numbers, who the relay is).
// Open commands are the relay's to decide: it sees the new epoch, sends again what may run again and ends the rest (relay/store/links.ts). So none is kept open
// here: one that the relay ended meanwhile must not start, and an old copy's claims may long be over. What a begun one had found stays for when it comes again.
import { query, type Operation, type SqlRow } from "../../shared/kit/store.ts";
import { postEvent } from "./history.ts";
import { putFacts, raiseFloors, type FactName } from "./identity.ts";
import type { WitnessState } from "./witnessed.ts";

/** Tables that are read from the file that was put aside. */
export const CARRIED_TABLES = ["facts", "counters", "trust", "seen", "floors", "commands", "carried", "outbox"] as const;
export type OldRows = Readonly<Record<(typeof CARRIED_TABLES)[number], readonly SqlRow[]>>;

/** Numbers drawn since the witness was written; a gap is honest. */
const drawnSince = 1_000;
const NOT_CARRIED: ReadonlySet<string> = new Set(["agentEpoch", "formerEpochs", "quarantined", "bornMs", "cleanStop"]);
const ENDED: ReadonlySet<unknown> = new Set(["outcome", "reported", "purged"]);
const whyCharsMax = 300;

export interface CarryOver {
  readonly agentEpoch: string;
  readonly why: string;
  readonly nowMs: number;
  readonly old: OldRows;
  /** Rows that were seen and are not what was written. */
  readonly damaged: number;
  /** Parts of the file could not be read at all. */
  readonly isTorn: boolean;
  /** All that are known: one beside the file, one that was kept elsewhere. */
  readonly witnesses: readonly WitnessState[];
}

export interface QuarantineRecord {
  readonly atMs: number;
  readonly why: string;
  readonly told: string;
}

/** All of it in the first transaction of the new database, the alarm among it. */
export function* carryOver(args: CarryOver): Operation<QuarantineRecord> {
  const { old, witnesses, nowMs } = args;
  const former = yield* carryFacts(args);
  for (const { name, value } of old.counters) yield* raiseCounter(String(name), Number(value));
  for (const { counters } of witnesses) for (const [name, value] of Object.entries(counters)) yield* raiseCounter(name, value + drawnSince);
  for (const row of old.trust) yield* query("INSERT INTO trust (version, envelope) VALUES (?, ?)", row["version"]!, row["envelope"]!);
  for (const row of old.seen) yield* query("INSERT INTO seen (kid, seq, exp) VALUES (?, ?, ?)", row["kid"]!, row["seq"]!, row["exp"]!);
  yield* raiseFloors(Object.fromEntries(old.floors.map(({ kid, floor }) => [String(kid), Number(floor)])));
  for (const { floors } of witnesses) yield* raiseFloors(floors);
  const ended = old.commands.filter(({ state }) => ENDED.has(state));
  const open = old.commands.filter(({ state }) => state === "ready" || state === "claimed");
  for (const row of ended) yield* copyRow("commands", { ...row, receipt_fence: null });
  for (const row of old.carried) yield* copyRow("carried", row);
  for (const row of open.filter(({ state, has_effect: hasEffect, resolved }) => state === "claimed" || Number(hasEffect) === 1 || resolved !== null)) {
    yield* query("INSERT INTO carried (id, body_hash, has_effect, resolved, cleanup, deadline_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", row["id"]!, row["body_hash"]!, row["has_effect"]!, row["resolved"] ?? null, row["cleanup"] ?? null, row["deadline_ms"]!);
  }
  // A claim's letter would tell the relay that a command runs here which is not here any more; a report is stale.
  const letters = old.outbox.filter(({ kind }) => kind === "result" || kind === "event");
  for (const row of letters) yield* copyRow("outbox", { ...row, state: "waiting", offered_fence: null, not_before_ms: 0 });
  const results = letters.filter(({ kind }) => kind === "result").length;
  const lost = args.isTorn ? `; ${args.damaged} damaged rows and what could not be read were not` : args.damaged > 0 ? `; ${args.damaged} damaged rows were not` : "";
  const told = `carried over: ${results} results, ${letters.length - results} events, ${ended.length} ended commands${lost}; ${open.length} open commands are the relay's to send again`;
  const record: QuarantineRecord = { atMs: nowMs, why: args.why.slice(0, whyCharsMax), told };
  yield* putFacts({ facts: { agentEpoch: args.agentEpoch, formerEpochs: JSON.stringify(former), quarantined: JSON.stringify(record) } });
  yield* postEvent({ id: `quarantined-${args.agentEpoch}`, atMs: nowMs, event: "quarantined", what: `the database was put aside: ${record.why}; ${told}` });
  return record;
}

/** Facts that still hold; returns the epochs before this one, as far as they are known. */
function* carryFacts({ old, witnesses }: CarryOver): Operation<string[]> {
  const facts = Object.fromEntries(old.facts.map(({ name, value }) => [String(name), String(value)]));
  const kept = Object.entries({ ...witnesses[0]?.facts, ...facts }).filter(([name]) => !NOT_CARRIED.has(name));
  yield* putFacts({ facts: Object.fromEntries(kept) as Partial<Record<FactName, string>> });
  const before = JSON.parse(facts["formerEpochs"] ?? "[]") as string[];
  return [...new Set([...before, facts["agentEpoch"] ?? "", ...witnesses.map(({ agentEpoch }) => agentEpoch)])].filter((epoch) => epoch !== "").slice(-16);
}

function* raiseCounter(name: string, value: number): Operation<void> {
  yield* query("UPDATE counters SET value = ? WHERE name = ? AND value < ?", value, name, value);
}

/** A row of an older schema lacks columns, and gets their defaults. */
function* copyRow(table: "commands" | "outbox" | "carried", row: SqlRow): Operation<void> {
  const known = yield* query<{ name: string }>(`SELECT name FROM pragma_table_info('${table}') WHERE name <> 'row_sum'`);
  const columns = known.map(({ name }) => name).filter((name) => row[name] !== undefined);
  yield* query(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`, ...columns.map((name) => row[name]!));
}
