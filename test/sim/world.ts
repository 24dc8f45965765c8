// The world of one simulated run: one time for everything, chance from one seed, what happens next in a queue. Processes live in it: each has its own clock, and
// once it is killed nothing of it ever runs again. Between two happenings all promises settle, so one seed is one history, to the last octet.
import { AsyncLocalStorage } from "node:async_hooks";
import type { CancelTimer, Clock } from "../../shared/kit/clock.ts";
import { seededRandom, type Random } from "../../shared/kit/random.ts";

/** When every run begins: ms since 1970. */
export const epochMs = 1_800_000_000_000;
/** Turns of the loop after which all promises have settled: an immediate may ask for another (link.ts pumps at the end of a turn). */
const turnsPerHappening = 3;
/** An honest run of a few minutes has some ten thousand. */
const happeningsMaxDefault = 400_000;

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

export class World {
  readonly random: Random;
  readonly trace: string[] = [];
  /** ms since the run began. */
  nowMs = 0;
  #order = 0;
  readonly #heap: Happening[] = [];
  readonly #happeningsMax: number;
  happened = 0;

  constructor(seed: number, happeningsMax = happeningsMaxDefault) {
    this.#happeningsMax = happeningsMax;
    this.random = seededRandom(seed);
  }

  /** Something for the reader of a failed run. */
  note(who: string, what: string): void {
    this.trace.push(`${(this.nowMs / 1_000).toFixed(3).padStart(10)}  ${who.padEnd(8)} ${what}`);
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)]!;
  }

  at(atMs: number, run: () => void): CancelTimer {
    const happening: Happening = { atMs: Math.max(atMs, this.nowMs), order: (this.#order += 1), run, isCancelled: false };
    this.#push(happening);
    return () => void (happening.isCancelled = true);
  }

  after(delayMs: number, run: () => void): CancelTimer {
    return this.at(this.nowMs + Math.max(0, delayMs), run);
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Lets time pass until `untilMs`, or until `isDone`. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await this.#settle();
    while (!isDone()) {
      if (this.happened > this.#happeningsMax) throw new Error(`nothing ends: ${this.#happeningsMax} happenings in ${Math.round(this.nowMs / 1_000)} s of the world; the last ones:\n${this.trace.slice(-20).join("\n")}`);
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.isCancelled) continue;
      this.nowMs = next.atMs;
      this.happened += 1;
      next.run();
      await this.#settle();
    }
    if (!isDone()) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < turnsPerHappening; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let at = heap.push(happening) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(happening, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = happening;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(left: Happening, right: Happening): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

/** Thrown where a process is killed in the middle of its work; whoever catches it belongs to a process that is no more. Its code is one of SQLite's, so that an open transaction goes with it. */
export class Killed extends Error {
  readonly code = "SQLITE_IOERR";
}

const running = new AsyncLocalStorage<SimProcess>();

/** The process whose code runs right now, or null for the world's own. */
export function currentProcess(): SimProcess | null {
  return running.getStore() ?? null;
}

/** Runs what is no process' work: the world's own look into a file passes no crash point. */
export function outsideOfProcesses<Result>(work: () => Result): Result {
  return running.exit(work);
}

export interface MachineClock {
  /** How far (ms) the machine's wall clock is off. */
  wallOffMs: number;
}

export class SimProcess {
  readonly world: World;
  readonly name: string;
  readonly clock: Clock;
  readonly #onDeath: (() => void)[] = [];
  isDead = false;

  constructor(world: World, name: string, machine: MachineClock = { wallOffMs: 0 }) {
    this.world = world;
    this.name = name;
    const bornMs = world.nowMs;
    this.clock = {
      wallMs: () => Math.round(epochMs + world.nowMs + machine.wallOffMs),
      monoMs: () => world.nowMs - bornMs,
      after: (delayMs, wake) => this.after(delayMs, wake),
    };
  }

  /** Runs code of this process, and all that follows from it; nothing when it is dead. Killed in the middle of it, it has no more to say. */
  run(work: () => void): void {
    if (this.isDead) return;
    try {
      running.run(this, work);
    } catch (error) {
      if (!(error instanceof Killed) || !this.isDead) throw error;
    }
  }

  /** As Node's setTimeout: whole milliseconds, one at least. */
  after(delayMs: number, wake: () => void): CancelTimer {
    return this.world.after(Math.max(1, Math.trunc(delayMs)), () => this.run(wake));
  }

  /** In less than a timer's least time: what a thread or a kernel answers. */
  soon(delayMs: number, work: () => void): void {
    this.world.after(delayMs, () => this.run(work));
  }

  onDeath(tell: () => void): void {
    this.#onDeath.push(tell);
  }

  /** As SIGKILL: nothing of it runs any more, whoever watched its sockets and files is told. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    for (const tell of this.#onDeath) tell();
  }
}
