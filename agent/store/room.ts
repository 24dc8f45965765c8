// How much of the agent's store is in use, by part, and what may still come in. Sums are kept by triggers (schema.ts), so no statement can forget them and nobody counts
// rows. Promises: a command starts only where its largest result has room already; results are never refused; the fuller the store, the fewer lanes bring
// anything new. delivery.md section 6.
import { Fault } from "../../shared/kit/errors.ts";
import { query, type Operation } from "../../shared/kit/store.ts";
import { resultOctetsMax } from "../../shared/rules/command-kinds.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { outcomeOctetsMax } from "../../shared/rules/outcome.ts";

/** Shares of the whole. What is left over is for tombstones, the report, numbers of signers, and the log of the database. */
const shares = { inbox: 0.4, results: 0.2, history: 0.2 } as const;
/** Above this part of the whole a lane brings nothing in any more. Control, where cancels are, always does: a cancel makes room. */
const watermarks: Readonly<Record<LaneName, number>> = { bulk: 0.7, deploy: 0.85, interactive: 0.95, control: Infinity };
/** Beside the two copies of a result (its row and its letter): claim letter, event, the header that the letter repeats, and their rows. */
const resultBesideOctets = 8_192;

type Part = "inbox" | "results" | "reserved" | "history" | "rest";

/** Octets of rows, each with what a row costs beside its contents. */
export interface Room extends Readonly<Record<Part, number>> {
  /** The whole that the settings allow. */
  readonly limit: number;
  /** Lanes that bring nothing in now. */
  readonly shed: readonly LaneName[];
  /** A command of the largest kind may not start: its result would find no room. */
  readonly isTight: boolean;
  /** Events that were not kept, of which the relay has not heard yet. */
  readonly gaps: number;
}

type Sums = Readonly<Record<Part | "limit", number>>;

function* sums(): Operation<Sums> {
  const rows = yield* query<{ part: Part | "limit"; octets: number }>("SELECT part, octets FROM room");
  const known = { limit: 0, inbox: 0, results: 0, reserved: 0, history: 0, rest: 0 };
  for (const { part, octets } of rows) known[part] = Number(octets);
  return known;
}

/** For people and for the report. */
export function* room(_args: null): Operation<Room> {
  const now = yield* sums();
  const records = yield* query<{ body: Uint8Array }>("SELECT body FROM outbox WHERE ring >= 'gap-' AND ring < 'gap.'");
  const gaps = records.reduce((sum, { body }) => sum + (JSON.parse(Buffer.from(body).toString("utf8")) as { lost: number }).lost, 0);
  return { ...now, gaps, isTight: !holdsResult(now, outcomeOctetsMax), shed: (Object.keys(watermarks) as LaneName[]).filter((lane) => isShed(now, lane)) };
}

function isShed(now: Sums, lane: LaneName): boolean {
  return usedOf(now) > watermarks[lane] * now.limit;
}

function usedOf(of: Sums): number {
  return of.inbox + of.results + of.reserved + of.history + of.rest;
}

/** The whole, as the settings have it. Writes nothing when it is known: a full disk must not keep an agent from starting. */
export function* setRoom(args: { readonly storeBytes: number }): Operation<void> {
  yield* query("UPDATE room SET octets = ? WHERE part = 'limit' AND octets <> ?", args.storeBytes, args.storeBytes);
}

const mib = (octets: number): string => `${(octets / 1_048_576).toFixed(1)} MiB`;

/** Fault QUEUE_FULL: the command is offered again when there is room. */
export function* requireInboxRoom(lane: LaneName, octets: number): Operation<void> {
  const now = yield* sums();
  const hint = "what waits and runs here makes room as it ends; --store-bytes gives the agent more";
  if (isShed(now, lane)) throw new Fault("QUEUE_FULL", { what: `this site takes no ${lane} orders now`, why: `its store holds ${mib(usedOf(now))} of ${mib(now.limit)}`, hint });
  if (now.inbox + octets > shares.inbox * now.limit) throw new Fault("QUEUE_FULL", { what: "this site holds as many commands as it may", why: `they have ${mib(now.inbox)} of ${mib(shares.inbox * now.limit)}`, hint });
}

/** Octets that are kept for a result with an outcome of so many while its command runs. */
function reserve(outcomeOctets: number): number {
  return 2 * outcomeOctets + resultBesideOctets;
}

export function reserveFor(kind: string): number {
  return reserve(resultOctetsMax(kind));
}

function holdsResult(now: Sums, outcomeOctets: number): boolean {
  return now.results + now.reserved + reserve(outcomeOctets) <= shares.results * now.limit;
}

/** Whether a command of this kind may start: its result has room. */
export function* hasResultRoom(kind: string): Operation<boolean> {
  return holdsResult(yield* sums(), resultOctetsMax(kind));
}

/** Results that the relay has are kept for a look only while they take less than half of the share. */
export function* areResultsTight(): Operation<boolean> {
  const now = yield* sums();
  return now.results > (shares.results * now.limit) / 2;
}

/** Octets of history beyond its share; less than 0 while there is room. */
export function* historyExcess(part = 1): Operation<number> {
  const now = yield* sums();
  return now.history - shares.history * part * now.limit;
}
