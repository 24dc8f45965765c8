// Opens what a power cut left, with the product's own store, and says what is wrong with it: it must open, be whole, hold everything that was acknowledged before the
// cut, and nothing half. Rules of its own, read from the tables; nothing here is asked of the product but to open its file.
import { join } from "node:path";
import { migrations as agentMigrations, operations as agentOperations, applicationId as agentId } from "../../agent/store/operations.ts";
import { migrations as relayMigrations, operations as relayOperations, applicationId as relayId } from "../../relay/store/operations.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { openStoreInline, query, type Operation, type SqlRow } from "../../shared/kit/store.ts";

/** What somebody outside was told, or saw, and when. */
export interface Acknowledged {
  readonly atMs: number;
  readonly at: "agent" | "relay";
  /** `begun`: the folder is in use, so a database that is gone is a loss. `accepted`: the 202. `fence`, `dial`: a number that must never be drawn again. */
  readonly what: "begun" | "accepted" | "stored" | "claimed" | "resolved" | "ended" | "fence" | "dial";
  /** A command's id, or the number. */
  readonly name: string;
}

function* rowsOf(args: { readonly sql: string }): Operation<SqlRow[]> {
  return yield* query(args.sql);
}

const SIDES = {
  relay: { file: "relay.db", module: { applicationId: relayId, migrations: relayMigrations, operations: { ...relayOperations, rowsOf } } },
  agent: { file: "agent.db", module: { applicationId: agentId, migrations: agentMigrations, operations: { ...agentOperations, rowsOf } } },
} as const;

export const databaseOf = (side: "agent" | "relay"): string => SIDES[side].file;

type Rows = <Row>(sql: string) => Promise<Row[]>;
type Known = ReadonlyMap<string, string>;

/** What is wrong with the image in this folder; `told` is all that was acknowledged before the cut. */
export async function faultsOf(side: "agent" | "relay", dir: string, told: readonly Acknowledged[]): Promise<string[]> {
  const { file, module } = SIDES[side];
  try {
    const store = openStoreInline<{ rowsOf: typeof rowsOf }>({ file: join(dir, file), module, mustExist: told.some(({ what }) => what === "begun") });
    const rows: Rows = async <Row>(sql: string) => (await store.call("rowsOf", { sql })) as Row[];
    try {
      const verdict = Object.values((await rows<Record<string, string>>("PRAGMA integrity_check"))[0]!)[0];
      const found = verdict === "ok" ? [] : [`integrity: ${verdict}`];
      return [...found, ...(side === "relay" ? await relayFaults(rows, told) : await agentFaults(rows, told))];
    } finally {
      await store.close();
    }
  } catch (error) {
    const fault = asFault(error);
    return [`does not open: ${fault.code} ${fault.message}: ${fault.why}`];
  }
}

const OPEN = ["queued", "blocked", "offered", "stored", "running"];
/** At the relay: a command that was seen in this state is in one of these. */
const RELAY_SINCE = { accepted: null, stored: ["queued", "blocked", "offered"], claimed: ["queued", "blocked", "offered", "stored"], ended: OPEN } as const;

async function relayFaults(rows: Rows, told: readonly Acknowledged[]): Promise<string[]> {
  const commands = await rows<{ id: string; ord: number; state: string; outcome: string | null; ended: number | null; body: number }>("SELECT id, ord, state, outcome, ended_ms AS ended, body IS NOT NULL AS body FROM commands ORDER BY ord");
  const states: Known = new Map(commands.map(({ id, state }) => [id, state]));
  const letters = new Map((await rows<{ id: string; state: string }>("SELECT id, state FROM outbox WHERE kind = 'command'")).map(({ id, state }) => [id, state]));
  const found = missing(told, states, RELAY_SINCE);
  for (const { id, state, outcome, ended, body } of commands) {
    const letter = state === "queued" ? "waiting" : state === "offered" ? "offered" : undefined;
    if (letters.get(id) !== letter) found.push(`${id} is ${state}, its letter ${letters.get(id) ?? "is not there"}`);
    if ((ended === null) !== OPEN.includes(state)) found.push(`${id} is ${state} and ${ended === null ? "never ended" : "has ended"}`);
    if ((body === 1) !== OPEN.includes(state)) found.push(`${id} is ${state} ${body === 1 ? "with" : "without"} a body`);
    if (state === "succeeded" && outcome === null) found.push(`${id} succeeded without an outcome`);
  }
  for (const id of letters.keys()) if (!states.has(id)) found.push(`a letter of ${id}, which is not there`);
  const next = Number((await rows<{ next: number }>("SELECT next_order AS next FROM sites"))[0]?.next ?? 1);
  const orders = commands.map(({ ord }) => Number(ord));
  if (orders.some((ord, index) => ord !== orders[0]! + index) || (orders.length > 0 && next !== orders.at(-1)! + 1)) found.push(`orders ${orders.join(",")}, the next is ${next}`);
  const keyed = await rows<{ sites: string }>("SELECT sites FROM command_keys");
  if (keyed.length !== commands.length) found.push(`${keyed.length} Idempotency-Keys for ${commands.length} commands`);
  return [...found, ...drawnAgain(told, "fence", (await rows<{ value: number }>("SELECT value FROM counters WHERE name = 'fence'"))[0])];
}

/** At the agent: a command of which this was seen is in none of these states any more. */
const AGENT_SINCE = { stored: [], claimed: ["ready"], resolved: ["ready"], ended: ["ready", "claimed"] } as const;

async function agentFaults(rows: Rows, told: readonly Acknowledged[]): Promise<string[]> {
  const commands = await rows<{ id: string; state: string; outcome: string | null; resolved: string | null; body: number }>("SELECT id, state, outcome, resolved, body IS NOT NULL AS body FROM commands");
  const states: Known = new Map(commands.map(({ id, state }) => [id, state]));
  const letters = new Set((await rows<{ id: string }>("SELECT id FROM outbox WHERE kind = 'result'")).map(({ id }) => id));
  const seen = (await rows<{ n: number }>("SELECT COUNT(*) AS n FROM seen"))[0]!;
  const found = missing(told, states, AGENT_SINCE);
  for (const { id, state, outcome, body } of commands) {
    const hasEnded = state === "outcome" || state === "reported";
    if (hasEnded !== (outcome !== null)) found.push(`${id} is ${state} ${outcome === null ? "without" : "with"} an outcome`);
    if (letters.has(`result-${id}`) !== (state === "outcome")) found.push(`${id} is ${state}, its result's letter is ${letters.has(`result-${id}`) ? "" : "not "}there`);
    if (state !== "reported" && body !== 1) found.push(`${id} is ${state} without a body`);
  }
  for (const { what, name } of told) if (what === "resolved" && commands.find(({ id }) => id === name)?.resolved === null) found.push(`${name} deleted what it had not written down`);
  if (commands.length > 0 && Number(seen.n) === 0 && (await rows("SELECT kid FROM floors")).length === 0) found.push("commands without a number of their signer");
  return [...found, ...drawnAgain(told, "dial", (await rows<{ value: number }>("SELECT value FROM counters WHERE name = 'dial'"))[0])];
}

/** Everything that was told of a command is still true of it. */
function missing(told: readonly Acknowledged[], states: Known, since: Readonly<Partial<Record<Acknowledged["what"], readonly string[] | null>>>): string[] {
  const found: string[] = [];
  for (const { what, name } of told) {
    const before = since[what];
    if (before === undefined) continue;
    const state = states.get(name);
    if (state === undefined) found.push(`lost: ${name}, which was ${what}`);
    else if (before?.includes(state) === true) found.push(`went back: ${name} was ${what} and is ${state}`);
  }
  return found;
}

function drawnAgain(told: readonly Acknowledged[], what: "fence" | "dial", counter: { readonly value: number } | undefined): string[] {
  const used = Math.max(0, ...told.filter((ack) => ack.what === what).map(({ name }) => Number(name)));
  return Number(counter?.value ?? 0) < used ? [`the ${what} ${used} would be drawn again: the counter is at ${counter?.value ?? "nothing"}`] : [];
}
