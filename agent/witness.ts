// The witness: what the database's last known head was, kept where the database is not, so that an old copy, a log that lost its end, or another database in its place
// is found out. Written after commits, so it may lag; never in a commit's way; a place that cannot be written is a matter of health. delivery.md section 6.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CancelTimer, Clock } from "../shared/kit/clock.ts";
import { asFault } from "../shared/kit/errors.ts";
import { writeWhole } from "../shared/kit/files.ts";
import type { Logger } from "../shared/kit/log.ts";
import type { ChainEnds, WitnessState } from "./store/witnessed.ts";
import type { AgentStore } from "./store/store.ts";

export type Witness = WitnessState;

/** Where a witness is kept, as text. */
export interface WitnessPlace {
  readonly name: "file" | "secret";
  /** It lags behind the commits by this at most (ms), while it can be written. */
  readonly everyMs: number;
  /** Null when there is none yet. */
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

/** A place that failed is tried again after this (ms); one that hangs at the end is waited for as long. */
const againMs = 30_000;
const lastWriteMs = 3_000;
/** Links of the chain that every witness has passed are removed so many at a time: each removal is a commit itself. */
const pruneLinks = 256;
/** Links kept for a witness that cannot be written (half a MiB a day at one commit in ten seconds); one that is further behind proves nothing any more. */
const linksMax = 100_000;
const ownerOnly = 0o600;

export function witnessText(witness: Witness): string {
  const body = JSON.stringify(witness);
  return `${JSON.stringify({ witness, sum: hash("sha256", body) })}\n`;
}

/** Null for what is not a witness, or not the one that was written. */
export function parseWitness(text: string): Witness | null {
  try {
    const { witness, sum } = JSON.parse(text) as { witness: Witness; sum: string };
    return hash("sha256", JSON.stringify(witness)) === sum ? witness : null;
  } catch {
    return null;
  }
}

function witnessPath(dir: string): string {
  return join(dir, "witness");
}

/** The second file in the data folder. */
export function fileWitness(dir: string): WitnessPlace {
  const path = witnessPath(dir);
  return { name: "file", everyMs: 1_000, read: async () => readWitnessFile(dir), write: async (text) => writeWhole(path, text, ownerOnly) };
}

export function readWitnessFile(dir: string): string | null {
  try {
    return readFileSync(witnessPath(dir), "utf8");
  } catch {
    return null; // a witness that cannot be read is none
  }
}

/** Why the database is not the one that the witness knows; null when it is. A witness of an epoch before this one was written before the database was renewed. */
function disproof(witness: Witness, own: { readonly agentEpoch: string; readonly formerEpochs: readonly string[] }, chain: ChainEnds): string | null {
  if (witness.agentEpoch !== own.agentEpoch) return own.formerEpochs.includes(witness.agentEpoch) ? null : "the witness knows another database";
  if (witness.seq < chain.least) return null;
  if (witness.seq > chain.most) return `it ends at commit ${chain.most}, the witness has seen commit ${witness.seq}: an old copy, or a log that lost its end`;
  return chain.found === witness.hash ? null : `its commit ${witness.seq} is not the one that the witness has seen: it was put back from a copy and written since`;
}

export interface KeeperOptions {
  readonly store: AgentStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** The database is not what it was: this ends the run. */
  readonly onDisproof: (renewal: Renewal) => void;
}

/** Why a database has to be made anew, and the witness that showed it, where it was one. */
export interface Renewal {
  readonly why: string;
  readonly witness: Witness | null;
}

interface Kept {
  readonly place: WitnessPlace;
  /** It has been compared with the database, or held nothing to compare. */
  isJudged: boolean;
  seq: number;
  trouble: string;
  /** Something was called since the last look. */
  isDue: boolean;
  cancel: CancelTimer | null;
  writing: Promise<void> | null;
}

export class WitnessKeeper {
  readonly #options: KeeperOptions;
  readonly #kept: Kept[] = [];
  #isEnding = false;
  #prunedTo = 0;
  /** The store as everybody else uses it: what it commits is witnessed soon, and a row that was damaged ends the run. */
  readonly store: AgentStore;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { store } = options;
    const call = async (name: never, args: never): Promise<unknown> => {
      try {
        return await store.call(name, args);
      } catch (error) {
        const fault = asFault(error);
        if (fault.code === "STORE_CORRUPT") options.onDisproof({ why: `${fault.message}: ${fault.why}`, witness: null });
        throw error;
      } finally {
        this.#touch();
      }
    };
    this.store = {
      call,
      close: () => store.close(),
      get isFull() {
        return store.isFull;
      },
      get onFull() {
        return store.onFull;
      },
      set onFull(listener) {
        store.onFull = listener;
      },
    } as AgentStore;
  }

  open(places: readonly WitnessPlace[]): void {
    for (const place of places) this.#kept.push({ place, isJudged: place.name === "file", seq: 0, trouble: "", isDue: true, cancel: null, writing: null });
    this.#touch(0);
  }

  health(): { readonly id: string; readonly what: string }[] {
    return this.#kept.filter(({ trouble }) => trouble !== "").map(({ place, trouble }) => ({ id: `witness-${place.name}`, what: `the witness cannot be kept: ${trouble}`.slice(0, 300) }));
  }

  #touch(delayMs?: number): void {
    for (const kept of this.#kept) {
      kept.isDue = true;
      if (kept.writing === null) this.#arm(kept, delayMs ?? kept.place.everyMs);
    }
  }

  #arm(kept: Kept, delayMs: number): void {
    if (this.#isEnding || kept.cancel !== null) return;
    kept.cancel = this.#options.clock.after(delayMs, () => {
      kept.cancel = null;
      kept.isDue = false;
      kept.writing = this.#write(kept).then(() => {
        kept.writing = null;
        if (kept.trouble !== "") this.#arm(kept, againMs);
        else if (kept.isDue) this.#arm(kept, kept.place.everyMs);
      });
    });
  }

  /** One look and, when something was committed since the last one, one write. Never rejects. */
  async #write(kept: Kept): Promise<void> {
    const { store, log } = this.#options;
    const { place } = kept;
    try {
      if (!kept.isJudged) await this.#judge(kept);
      const state = await store.call("witnessState", null);
      if (state.seq !== kept.seq) await place.write(witnessText(state));
      if (kept.seq === 0) {
        await store.call("noteWitness", null);
        kept.isDue = true; // that was a commit
      }
      if (kept.trouble !== "") log.info({ place: place.name }, "the witness is kept again");
      kept.seq = state.seq;
      kept.trouble = "";
      await this.#prune(state.seq);
    } catch (error) {
      const { message, why } = asFault(error);
      if (kept.trouble === "") log.warn({ place: place.name, what: message, why }, "the witness could not be kept; the agent goes on, and tries again");
      kept.trouble = why === "" ? message : `${message}: ${why}`;
    }
  }

  /** What this place knew before this run may know more than the file beside the database, which was put back together with it. */
  async #judge(kept: Kept): Promise<void> {
    const text = await kept.place.read();
    const witness = text === null || text === "" ? null : parseWitness(text);
    const why = witness === null ? null : await disproofOf(this.#options.store, witness);
    if (why !== null) {
      this.#isEnding = true;
      this.#options.onDisproof({ why: `${why} (by its ${kept.place.name})`, witness });
      throw new Error("this database is no longer in use");
    }
    kept.isJudged = true;
  }

  async #prune(most: number): Promise<void> {
    const passed = Math.max(Math.min(...this.#kept.map(({ seq }) => seq)), most - linksMax);
    if (passed - this.#prunedTo < pruneLinks) return;
    await this.#options.store.call("pruneChain", { below: passed });
    this.#prunedTo = passed;
  }

  /** The last word of a clean stop. */
  async end(): Promise<void> {
    const wasDisproved = this.#isEnding;
    this.#isEnding = true;
    for (const kept of this.#kept) kept.cancel?.();
    if (wasDisproved) return;
    const last = Promise.all(this.#kept.map(async (kept) => {
      await kept.writing;
      await this.#write(kept);
    }));
    let stop: CancelTimer = () => {};
    await Promise.race([last, new Promise<void>((resolve) => (stop = this.#options.clock.after(lastWriteMs, resolve)))]);
    stop();
  }
}

/** Why the open database is not the one that this witness knows, or null. */
export async function disproofOf(store: AgentStore, witness: Witness): Promise<string | null> {
  const [facts, chain] = await Promise.all([store.call("allFacts", null), store.call("chainAt", { seq: witness.seq })]);
  return disproof(witness, { agentEpoch: facts.agentEpoch ?? "", formerEpochs: JSON.parse(facts.formerEpochs ?? "[]") as string[] }, chain);
}
