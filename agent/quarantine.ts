// Opens the agent's database, or finds that it is not what it was (damaged, of another day, another one): then it is moved aside, whole, and a new one with a new
// epoch takes its place and what still holds. A kill at any point leaves the old database in its place, or a new one that is complete. delivery.md section 6.
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { fileFault } from "../shared/kit/files.ts";
import { salvage } from "../shared/kit/store-salvage.ts";
import { openStoreInline } from "../shared/kit/store.ts";
import { CARRIED_TABLES, type QuarantineRecord } from "./store/carry.ts";
import * as agentModule from "./store/operations.ts";
import { agentFile, openAgentStore, type AgentStore } from "./store/store.ts";
import { disproofOf, parseWitness, readWitnessFile, type Renewal, type Witness } from "./witness.ts";

/** Databases that were put aside and are kept for whoever wants to know. */
const keptMost = 3;
const ENDS = ["", "-wal", "-shm"] as const;

export interface Aside {
  /** A reason to put the database aside however sound its file is, or null. */
  readonly renewal: Renewal | null;
  /** A database that is gone is made anew: what it held is lost. */
  readonly acceptNew: boolean;
  readonly onQuarantine: (record: QuarantineRecord) => void;
}

export interface OpenedStore {
  readonly store: AgentStore;
  /** What is wrong with the witness beside it, or "". */
  readonly witnessTrouble: string;
}

/** `aside`: null for who only looks. Faults: STORE_CORRUPT where nothing may or can be put aside, and those of the store. */
export async function openDatabase(dir: string, mustExist: boolean, aside: Aside | null): Promise<OpenedStore> {
  finishMove(dir);
  const text = mustExist ? readWitnessFile(dir) : null;
  const witness = text === null ? null : parseWitness(text);
  let why = aside?.renewal?.why ?? null;
  // Removed under a running process, it is as gone as it is at a start.
  if (why !== null && isGone(dir) && aside?.acceptNew !== true) throw goneFault(`the database ${agentFile(dir)} is gone`, why);
  if (why === null) {
    try {
      const store = await openAgentStore(dir, mustExist);
      why = witness === null ? null : await disproofOf(store, witness);
      if (why === null) return { store, witnessTrouble: await witnessTrouble(store, text, witness) };
      await store.close();
      if (aside === null) throw new Fault("STORE_CORRUPT", { what: `the database in ${dir} is not the one that was used here last`, why, hint: "start the agent: bowline agent run puts it aside and goes on with a new one" });
    } catch (error) {
      const fault = asFault(error);
      if (fault.code !== "STORE_CORRUPT" || aside === null) throw fault;
      if (isGone(dir) && !aside.acceptNew) throw goneFault(fault.message, fault.why);
      why ??= `${fault.message}: ${fault.why}`;
    }
  }
  aside?.onQuarantine(await renew(dir, why, [witness, aside.renewal?.witness ?? null].filter((one) => one !== null)));
  return { store: await openAgentStore(dir, true), witnessTrouble: "" };
}

function goneFault(what: string, why: string): Fault {
  return new Fault("STORE_CORRUPT", { what, why, hint: "restore the whole folder from a backup; or give up what it held: bowline agent run --accept-new-database" });
}

function isGone(dir: string): boolean {
  const file = agentFile(dir);
  return !existsSync(file) || statSync(file).size === 0;
}

async function witnessTrouble(store: AgentStore, text: string | null, witness: Witness | null): Promise<string> {
  if (witness !== null) return "";
  if (text !== null) return "the witness file was damaged; it is written anew";
  const { hasWitness } = await store.call("allFacts", null);
  return hasWitness === undefined ? "" : "the witness file was gone; it is written anew";
}

async function renew(dir: string, why: string, witnesses: readonly Witness[]): Promise<QuarantineRecord> {
  const file = agentFile(dir);
  const making = `${file}.making`;
  const record = await makeAnew({ file, making, why, nowMs: Date.now(), witnesses });
  try {
    renameSync(making, `${file}.next`);
    moveAside(dir, record);
    finishMove(dir);
  } catch (error) {
    throw fileFault(error, dir);
  }
  return record;
}

/** Builds a new database at `making` from what still holds in `file`. Fault STORE_CORRUPT when not even the relay is known any more. */
export async function makeAnew({ file, making, why, nowMs, witnesses }: { readonly file: string; readonly making: string; readonly why: string; readonly nowMs: number; readonly witnesses: readonly Witness[] }): Promise<QuarantineRecord> {
  const old = salvage(file, CARRIED_TABLES);
  if (witnesses[0]?.facts.relay === undefined && !old.rows.facts.some(({ name }) => name === "relay")) {
    throw new Fault("STORE_CORRUPT", { what: `the database ${file} cannot be used, and nothing in it can be relied on`, why, hint: "restore the whole folder from a backup; or move it away and join again with a new token" });
  }
  for (const end of ENDS) rmSync(`${making}${end}`, { force: true });
  const store = openStoreInline<agentModule.AgentOperations>({ file: making, module: agentModule });
  try {
    return await store.call("carryOver", { agentEpoch: randomBytes(16).toString("hex"), why, nowMs, old: old.rows, damaged: old.damaged, isTorn: old.isTorn, witnesses });
  } finally {
    await store.close(); // the last one out leaves no log beside the file
  }
}

function moveAside(dir: string, record: QuarantineRecord): void {
  const kept = join(dir, "quarantine");
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  const stamp = new Date(record.atMs).toISOString().replaceAll(":", "-");
  let place = join(kept, stamp);
  for (let again = 2; existsSync(place); again += 1) place = join(kept, `${stamp}-${again}`);
  mkdirSync(place, { mode: 0o700 });
  writeFileSync(join(place, "why.json"), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600, flush: true });
  dropOlder(kept, agentFile(dir));
  // The database first: as long as it is in its place, a kill means that all of this is done again.
  for (const end of ENDS) if (existsSync(`${agentFile(dir)}${end}`)) renameSync(`${agentFile(dir)}${end}`, join(place, `agent.db${end}`));
}

/** The newest stay; only this one where the disk has no room for another of its size. */
function dropOlder(kept: string, file: string): void {
  const { bavail, bsize } = statfsSync(kept);
  const octets = existsSync(file) ? statSync(file).size : 0;
  const most = bavail * bsize < 2 * octets ? 1 : keptMost;
  for (const name of readdirSync(kept).sort().slice(0, -most)) rmSync(join(kept, name), { recursive: true, force: true });
}

/** A complete new database whose place is free takes it; what the old one left beside that place goes after it. */
function finishMove(dir: string): void {
  const file = agentFile(dir);
  if (existsSync(file) || !existsSync(`${file}.next`)) return;
  const newest = existsSync(join(dir, "quarantine")) ? readdirSync(join(dir, "quarantine")).sort().at(-1) : undefined;
  for (const end of ["-wal", "-shm"]) {
    if (!existsSync(`${file}${end}`)) continue;
    if (newest === undefined) rmSync(`${file}${end}`);
    else renameSync(`${file}${end}`, join(dir, "quarantine", newest, `agent.db${end}`));
  }
  renameSync(`${file}.next`, file);
  const folder = openSync(dir, "r");
  fsyncSync(folder);
  closeSync(folder);
}
