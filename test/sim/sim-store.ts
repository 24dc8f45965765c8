// A store as the product's worker thread is one: calls made together share a transaction, arguments and answers are copied, both ways take time, and a process that
// dies in between leaves what was committed and nothing else. A real SQLite file behind it; a full disk is SQLite's own page limit.
import { asFault } from "../../shared/kit/errors.ts";
import { StoreEngine, type CallOutcome } from "../../shared/kit/store-engine.ts";
import { query, type Operation, type Operations, type SqlRow, type StoreModule } from "../../shared/kit/store-query.ts";
import type { Store } from "../../shared/kit/store.ts";
import { outsideOfProcesses, type SimProcess } from "./world.ts";

/** Least and greatest time (ms) until a group is committed, and until its answer is heard. */
const commitMs = [0.2, 6] as const;
const answerMs = [0.05, 1] as const;

const probes = {
  *simRows(args: { readonly sql: string; readonly params: readonly (string | number)[] }): Operation<SqlRow[]> {
    return yield* query(args.sql, ...args.params);
  },
} satisfies Operations;

export type Observe = (name: string, args: unknown, outcome: CallOutcome) => void;

interface Waiting {
  readonly name: string;
  readonly args: unknown;
  readonly settle: (outcome: CallOutcome) => void;
}

export class SimStore<Ops extends Operations> {
  readonly #process: SimProcess;
  readonly #engine: StoreEngine;
  readonly #observe: Observe;
  #waiting: Waiting[] = [];
  #isBusy = false;
  #isOpen = true;
  #isCommitting = false;
  /** The disk answers nobody until then (ms of the world). */
  #stalledUntilMs = 0;
  #changesSeen = 0;

  constructor(process: SimProcess, options: { readonly file: string; readonly module: StoreModule; readonly observe: Observe }) {
    this.#process = process;
    this.#observe = options.observe;
    this.#engine = new StoreEngine({ file: options.file, module: { ...options.module, operations: { ...options.module.operations, ...probes } }, mustExist: true });
    process.onDeath(() => this.#shut());
  }

  /** As the product sees it. */
  get store(): Store<Ops> {
    return { isFull: false, onFull: () => {}, call: (name: string, args: unknown) => this.#call(name, args), close: async () => this.#shut() } as unknown as Store<Ops>;
  }

  #call(name: string, args: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) return;
      this.#waiting.push({ name, args: structuredClone(args), settle: (outcome) => (outcome.ok ? resolve(structuredClone(outcome.value)) : reject(outcome.fault)) });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    this.#isBusy = true;
    const { world } = this.#process;
    const delayMs = Math.max(world.between(...commitMs), this.#stalledUntilMs - world.nowMs);
    this.#process.soon(delayMs, () => this.#commit());
  }

  #commit(): void {
    const calls = this.#waiting;
    this.#waiting = [];
    const outcomes = this.#runGroup(calls);
    if (this.#process.isDead) return this.#engine.close();
    for (const [index, call] of calls.entries()) this.#observe(call.name, call.args, outcomes[index]!);
    this.#process.soon(this.#process.world.between(...answerMs), () => {
      this.#isBusy = false;
      for (const [index, call] of calls.entries()) call.settle(outcomes[index]!);
      this.#arm();
    });
  }

  #runGroup(calls: readonly Waiting[]): CallOutcome[] {
    this.#isCommitting = true;
    try {
      return this.#engine.runGroup(calls);
    } catch (error) {
      return calls.map(() => ({ ok: false, fault: asFault(error) }));
    } finally {
      this.#isCommitting = false;
    }
  }

  /** Looks into the file, outside of time. */
  rows<Row = SqlRow>(sql: string, ...params: readonly (string | number)[]): Row[] {
    const outcome = outsideOfProcesses(() => this.#engine.runGroup([{ name: "simRows", args: { sql, params } }]))[0]!;
    if (!outcome.ok) throw new Error(`${sql}: ${outcome.fault.why}`, { cause: outcome.fault });
    return outcome.value as Row[];
  }

  /** Notes from here on which rows of a table are put, changed or removed; beside the file, and gone with the process. */
  watch(table: string): void {
    this.rows("CREATE TEMP TABLE sim_changed (n INTEGER PRIMARY KEY, id TEXT NOT NULL)");
    for (const [event, row] of [["INSERT", "NEW"], ["UPDATE", "NEW"], ["DELETE", "OLD"]]) this.rows(`CREATE TEMP TRIGGER sim_${event} AFTER ${event} ON main.${table} BEGIN INSERT INTO sim_changed (id) VALUES (${row}.id); END`);
  }

  /** Ids of the watched rows that something happened to since this was asked before. */
  changed(): string[] {
    const found = this.rows<{ n: number; id: string }>("SELECT MAX(n) AS n, id FROM temp.sim_changed WHERE n > ? GROUP BY id", this.#changesSeen);
    for (const { n } of found) this.#changesSeen = Math.max(this.#changesSeen, n);
    return found.map(({ id }) => id);
  }

  stall(ms: number): void {
    this.#stalledUntilMs = this.#process.world.nowMs + ms;
  }

  /** No page more than there are now, or as many as it wants. */
  fill(isFull: boolean): void {
    const pages = isFull ? Number(this.rows<{ page_count: number }>("PRAGMA page_count")[0]!.page_count) : 1_073_741_823;
    this.rows(`PRAGMA max_page_count = ${pages}`);
  }

  #shut(): void {
    this.#isOpen = false;
    this.#waiting = [];
    if (!this.#isCommitting) this.#engine.close(); // else where that ends
  }
}
