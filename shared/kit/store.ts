// A store as its callers see it: operations by name, each one durable when its promise resolves. While one transaction is being committed the
// calls that come in wait and share the next: group commit without a timer. Bounded by calls and by octets; closing drains, and ends in any case. A thread that
// died ends the process: nobody would hear of what is not stored any more. `openStoreInline` is the same without a thread, for tests and the simulator.
import { Worker } from "node:worker_threads";
import { asFault, Fault, faultFromRecord } from "./errors.ts";
import { armedCrashPoint } from "./crash.ts";
import { StoreEngine } from "./store-engine.ts";
import type { Operation, Operations, StoreModule } from "./store-query.ts";
import type { WorkerAnswer, WorkerRequest, WorkerStart } from "./store-worker.ts";

export { query, queryOne, type Operation, type SqlRow } from "./store-query.ts";

/** Calls that wait for the thread, and the octets of their arguments; beyond either the caller is told to come back. A command's body has up to 4 MiB. */
const callsWaitingMax = 10_000;
const octetsWaitingMax = 64 * 1_048_576;
/** Closing waits this long (ms) for what was called before; a disk that takes longer has failed. */
const closeMsDefault = 30_000;

type ArgsOf<Call> = Call extends (args: infer Args) => unknown ? Args : never;
type ResultOf<Call> = Call extends (args: never) => Operation<infer Result> ? Result : never;

export interface Store<Ops extends Operations> {
  /** Resolves after the commit. Rejects with the operation's own Fault, or DISK_FULL, STORE_FAILED. */
  call<Name extends keyof Ops & string>(name: Name, args: ArgsOf<Ops[Name]>): Promise<ResultOf<Ops[Name]>>;
  /** The disk is full: the ballast is away, and what would bring new work in is refused until there is room again. */
  readonly isFull: boolean;
  /** Told when that changes. */
  onFull: (isFull: boolean) => void;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly file: string;
  /** URL of the module that exports `operations` and `migrations`. */
  readonly moduleUrl: URL;
  readonly mustExist: boolean;
  /** The worker's own file, when a bundle put it elsewhere. */
  readonly workerUrl?: URL;
  readonly closeMs?: number;
  /** The thread ended and nobody had closed the store. By default the process ends of it, by an exception that nobody catches. */
  readonly onDeath?: (fault: Fault) => void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Fault) => void;
  readonly octets: number;
}

function crash(fault: Fault): void {
  setImmediate(() => {
    throw fault;
  });
}

/** Opens a database in its own thread. Faults as StoreEngine: STORE_HELD, STORE_NEWER, STORE_CORRUPT, DISK_FULL, STORE_FAILED. */
export async function openStore<Ops extends Operations>(options: StoreOptions): Promise<Store<Ops>> {
  const start: WorkerStart = { file: options.file, moduleUrl: options.moduleUrl.href, mustExist: options.mustExist, crashPlan: armedCrashPoint() };
  const worker = new Worker(options.workerUrl ?? new URL("./store-worker.ts", import.meta.url), { workerData: start, stdin: false });
  const opened = await new Promise<WorkerAnswer>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  if (opened.kind === "failed") {
    await worker.terminate();
    throw faultFromRecord(opened.fault);
  }
  return new WorkerStore(worker, options, opened.kind === "open" && opened.isFull) as unknown as Store<Ops>;
}

class WorkerStore {
  readonly #worker: Worker;
  readonly #closeMs: number;
  readonly #onDeath: (fault: Fault) => void;
  readonly #waiting = new Map<number, Waiting>();
  #waitingOctets = 0;
  #queued: { id: number; name: string; args: unknown }[] = [];
  #isSending = false;
  #underWay = 0;
  #lastId = 0;
  #closing: Promise<void> | null = null;
  #onIdle: () => void = () => {};
  #dead: Fault | null = null;
  isFull: boolean;
  onFull: (isFull: boolean) => void = () => {};

  constructor(worker: Worker, options: StoreOptions, isFull: boolean) {
    this.#worker = worker;
    this.isFull = isFull;
    this.#closeMs = options.closeMs ?? closeMsDefault;
    this.#onDeath = options.onDeath ?? crash;
    worker.on("message", (answer: WorkerAnswer) => this.#receive(answer));
    worker.on("error", (error) => this.#die(asFault(error)));
    worker.on("exit", () => this.#die(new Fault("STORE_FAILED", { what: "the database thread ended" })));
  }

  call(name: string, args: unknown): Promise<unknown> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    if (this.#closing !== null) return Promise.reject(new Fault("DRAINING", { what: "the store is closed" }));
    const octets = octetsOf(args);
    // One call of any size is always taken by an idle store.
    if (this.#waiting.size >= callsWaitingMax || (this.#waiting.size > 0 && this.#waitingOctets + octets > octetsWaitingMax)) {
      return Promise.reject(new Fault("TOO_MANY", { what: "the store has too much to do", why: `${this.#waiting.size} calls with ${Math.round(this.#waitingOctets / 1_048_576)} MiB wait`, hint: "try again in a moment" }));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    this.#waitingOctets += octets;
    this.#queued.push({ id, name, args });
    this.#send();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, octets }));
  }

  #send(): void {
    if (this.#isSending || this.#underWay > 0 || this.#queued.length === 0) return;
    this.#isSending = true;
    // One turn later: calls made in the same turn share a transaction.
    setImmediate(() => {
      this.#isSending = false;
      const calls = this.#queued;
      if (calls.length === 0) return;
      this.#queued = [];
      this.#underWay = calls.length;
      this.#post({ kind: "calls", calls });
    });
  }

  #post(request: WorkerRequest): void {
    this.#worker.postMessage(request);
  }

  #receive(answer: WorkerAnswer): void {
    if (answer.kind === "room") {
      this.isFull = answer.isFull;
      return this.onFull(this.isFull);
    }
    if (answer.kind !== "answers") return; // "closed" is followed by the thread's end
    this.#underWay -= answer.answers.length;
    for (const { id, value, fault } of answer.answers) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      this.#waitingOctets -= waiting?.octets ?? 0;
      if (fault === undefined) waiting?.resolve(value as never);
      else waiting?.reject(faultFromRecord(fault));
    }
    if (this.#waiting.size === 0) this.#onIdle();
    this.#send();
  }

  #die(fault: Fault): void {
    if (this.#dead !== null) return;
    this.#dead = fault;
    for (const waiting of this.#waiting.values()) waiting.reject(fault);
    this.#waiting.clear();
    this.#waitingOctets = 0;
    this.#onIdle();
    if (this.#closing === null) this.#onDeath(fault);
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  async #drain(): Promise<void> {
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    if (this.#dead !== null) return;
    const ceiling = setTimeout(() => {
      this.#die(new Fault("STORE_FAILED", { what: "the database did not finish while it was being closed", why: `${this.#waiting.size} calls took longer than ${this.#closeMs} ms` }));
      void this.#worker.terminate();
    }, this.#closeMs);
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#post({ kind: "close" });
    await exited;
    clearTimeout(ceiling);
  }
}

/** Octets that a call's arguments hold in memory, near enough: texts and byte arrays count, whatever they are wrapped in. */
function octetsOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== "object" || value === null) return 8;
  let octets = 0;
  for (const item of Object.values(value)) octets += octetsOf(item);
  return octets;
}

/** The same store in this thread: every call is one transaction. */
export function openStoreInline<Ops extends Operations>(options: { readonly file: string; readonly module: StoreModule; readonly mustExist?: boolean }): Store<Ops> {
  const engine = new StoreEngine({ file: options.file, module: options.module, mustExist: options.mustExist ?? false });
  const store = {
    isFull: false,
    onFull: () => {},
    async call(name: string, args: unknown): Promise<unknown> {
      const outcome = engine.runGroup([{ name, args }])[0]!;
      if (outcome.ok) return outcome.value;
      throw outcome.fault;
    },
    async close(): Promise<void> {
      engine.close();
    },
  };
  return store as unknown as Store<Ops>;
}
