// Gathers the report every few seconds and leaves it in the outbox when it changed: the newest replaces the older, linked or not. Also writes down what happened
// to this site (events), with the time at which it happened.
import { randomUUID } from "node:crypto";
import type { SiteReport } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import { asFault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { Room } from "../store/room.ts";
import type { AgentStore } from "../store/store.ts";
import { changeKey, isDue, roomTroubles, type LastReport, type Trouble } from "./report.ts";

export type ClusterPart = Pick<SiteReport, "kubernetes" | "nodes" | "nodesTotal" | "unwell" | "unwellTotal" | "workloadsTotal">;
/** Less free disk (MiB) than this is said in the report. */
const lowDiskMiB = 512;

export interface ReporterOptions {
  readonly store: AgentStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly shownMs: () => number;
  readonly clusterFacts: (signal: AbortSignal) => Promise<ClusterPart>;
  /** Octets that are free where the database is. */
  readonly freeOctets: () => number;
  readonly version: string;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  /** Weaker settings and troubles that are in force. */
  readonly health: () => readonly Trouble[];
  readonly onLetter: () => void;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #startedAtMs: number;
  #last: LastReport | null = null;
  #wake: () => void = () => {};

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#startedAtMs = options.shownMs();
  }

  /** Runs until the signal; never rejects. */
  async run(): Promise<void> {
    const { clock, everyMs, signal, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#once();
      } catch (error) {
        if (!signal.aborted) log.warn({ code: asFault(error).code, why: asFault(error).why }, "the report could not be made");
      }
      const wake = new AbortController();
      this.#wake = () => wake.abort(new Error("woken"));
      await pause(clock, everyMs, AbortSignal.any([signal, wake.signal])).catch(() => {}); // both ends of the wait are welcome
    }
  }

  /** Look now: a link began, or a command ended. */
  poke(): void {
    this.#wake();
  }

  async #once(): Promise<void> {
    const { store, clock, shownMs, clusterFacts, signal, onLetter } = this.#options;
    const [cluster, counts, commandsOpen, room] = await Promise.all([clusterFacts(signal), store.call("ownCounts", null), store.call("openCommandCount", null), store.call("room", null)]);
    const madeAtMs = Math.round(shownMs());
    const freeDiskMiB = this.#freeDiskMiB();
    const report: SiteReport = {
      madeAtMs,
      agentVersion: this.#options.version,
      ...cluster,
      agent: { startedAtMs: Math.round(this.#startedAtMs), memoryMiB: Math.round(process.memoryUsage.rss() / 1_048_576), freeDiskMiB, health: this.#health(counts.refused, room, freeDiskMiB) },
      queues: { commandsOpen, lettersWaiting: counts.waiting, oldestLetterMs: counts.oldestMs },
    };
    const key = changeKey(report);
    if (!isDue(this.#last, key, clock.monoMs())) return;
    await store.call("postReport", { id: `report-${randomUUID()}`, madeMs: madeAtMs, report });
    this.#last = { key, atMs: clock.monoMs() };
    onLetter();
  }

  #health(refused: number, room: Room, freeDiskMiB: number): Trouble[] {
    const disk: Trouble[] = freeDiskMiB < lowDiskMiB ? [{ id: "disk-low", what: `less than ${lowDiskMiB} MiB are free on the agent's disk` }] : [];
    const full: Trouble = { id: "disk-full", what: "the agent's disk is full: no order is taken or begun until there is room; what has ended is still told" };
    const letters: Trouble[] = refused > 0 ? [{ id: "letters-refused", what: `${refused} letters were refused by the relay; they are kept and tried again` }] : [];
    return [...this.#options.health(), ...letters, ...roomTroubles(room), ...(this.#options.store.isFull ? [full] : disk)];
  }

  #freeDiskMiB(): number {
    return Math.floor(this.#options.freeOctets() / 1_048_576);
  }

  /** Something happened here. Stored when the promise resolves; a full disk loses an event rather than the agent. */
  async event(kind: string, what: string): Promise<void> {
    const { store, shownMs, log, onLetter } = this.#options;
    try {
      await store.call("postEvent", { id: `event-${randomUUID()}`, atMs: Math.round(shownMs()), event: kind, what: what.slice(0, 500) });
      onLetter();
    } catch (error) {
      log.warn({ code: asFault(error).code, why: asFault(error).why }, "an event could not be stored");
    }
  }
}
