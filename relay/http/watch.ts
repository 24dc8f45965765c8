// `?watch=1`: changes of commands as server-sent events, as they are committed. Each watcher has a place in the store's run of changes and is read to from there, so
// the store is the buffer: a reader that lags holds no memory here but its socket's, and whoever was cut goes on with its last event's id, at this relay or another.
// While nobody watches nothing is asked. A command that changes twice between two looks is told once, as it is.
import type { ServerResponse } from "node:http";
import type { Clock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { ChangeAt, ChangedRow } from "../store/changes.ts";
import type { RelayStore } from "../store/store.ts";
import { problemOf, type ApiResponse } from "./answers.ts";
import { changeText } from "./cursor.ts";

/** How often (ms) the store is asked for its newest change while somebody watches: one indexed read, without a write. */
const lookMs = 200;
/** A watcher that hears nothing else for this long (ms) hears its place, and its login is judged again; proxies cut what is silent for a minute. */
const beatMs = 15_000;
/** A reader that takes nothing for this long (ms) is cut: it can come back to where it was. */
const slowMs = 30_000;
/** From the last word to the end of the socket (ms). */
const partingMs = 2_000;
/** Read for one watcher at once: some 40 KB, a MiB where outcomes are long. */
const rowsAtOnce = 50;
const watchersMax = 200;
const retryMs = 1_000;

export interface WatchOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  /** A row as the API shows it. */
  readonly view: (row: ChangedRow) => unknown;
}

export interface Wanted {
  readonly from: ChangeAt;
  readonly isWanted: (row: ChangedRow) => boolean;
  /** Rejects when the watcher may not be here any more. */
  readonly judge: () => Promise<unknown>;
}

interface Watcher extends Wanted {
  readonly response: ServerResponse;
  /** All up to here was told, or was not wanted. */
  at: number;
  saidMs: number;
  /** Since when its socket takes nothing, or null. */
  fullMs: number | null;
}

export class CommandWatch {
  readonly #options: WatchOptions;
  readonly #watchers = new Set<Watcher>();
  #isLooking = false;
  #drained: Fault | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Fault TOO_MANY, or why nobody is taken any more. Asked before the answer begins. */
  requireRoom(): void {
    if (this.#drained !== null) throw this.#drained;
    if (this.#watchers.size >= watchersMax) throw new Fault("TOO_MANY", { what: "too many watch this relay's commands", why: `${watchersMax} may at once`, hint: "ask again in a while, or list instead", facts: { retryAfterS: 10 } });
  }

  add(wanted: Wanted, to: ApiResponse): void {
    const response = to as ServerResponse;
    const watcher: Watcher = { ...wanted, response, at: wanted.from.change, saidMs: this.#options.clock.monoMs(), fullMs: null };
    response.on("drain", () => (watcher.fullMs = null));
    response.on("close", () => this.#watchers.delete(watcher));
    response.on("error", () => {});
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-content-type-options": "nosniff" });
    this.#watchers.add(watcher);
    this.#say(watcher, `retry: ${retryMs}\n${this.#place(watcher)}\n`);
    if (!this.#isLooking) this.#arm();
  }

  /** Everybody is told why, and ends. Resolves when they have, or their time is over. */
  async drain(fault: Fault): Promise<void> {
    this.#drained = fault;
    await Promise.all([...this.#watchers].map((watcher) => this.#end(watcher, fault)));
  }

  #arm(): void {
    this.#isLooking = true;
    this.#options.clock.after(lookMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    try {
      const head = await this.#options.store.call("changeHead", null);
      for (const watcher of this.#watchers) await this.#serve(watcher, head);
    } catch {
      // The store is away for a moment: the next look finds what was missed.
    }
    this.#isLooking = false;
    if (this.#watchers.size > 0) this.#arm();
  }

  async #serve(watcher: Watcher, head: ChangeAt): Promise<void> {
    const nowMs = this.#options.clock.monoMs();
    if (watcher.fullMs !== null) {
      if (nowMs - watcher.fullMs >= slowMs) void this.#end(watcher, new Fault("STREAM_STALLED", { what: "the watch was ended", why: `nothing of it was read for ${slowMs / 1_000} s`, hint: "watch again from the id of the last event that came" }));
      return;
    }
    if (head.epoch !== watcher.from.epoch) return void this.#end(watcher, otherEpoch());
    while (watcher.at < head.change && watcher.fullMs === null) await this.#tell(watcher, head.change);
    if (nowMs - watcher.saidMs < beatMs) return;
    const fault = await watcher.judge().then(
      () => null,
      (error: unknown) => asFault(error),
    );
    if (fault !== null && fault.family === "refused") void this.#end(watcher, fault);
    else this.#say(watcher, `${this.#place(watcher)}\n`);
  }

  async #tell(watcher: Watcher, head: number): Promise<void> {
    const rows = await this.#options.store.call("changedCommands", { after: watcher.at, limit: rowsAtOnce });
    const wanted = rows.filter((row) => watcher.isWanted(row));
    watcher.at = rows.length < rowsAtOnce ? Math.max(head, rows.at(-1)?.change ?? 0) : rows.at(-1)!.change;
    if (wanted.length > 0) this.#say(watcher, wanted.map((row) => `id: ${changeText(row)}\nevent: command\ndata: ${JSON.stringify(this.#options.view(row))}\n\n`).join(""));
  }

  /** An id without an event: where to go on from. */
  #place({ from, at }: Watcher): string {
    return `id: ${changeText({ epoch: from.epoch, change: at })}\n`;
  }

  #say(watcher: Watcher, text: string): void {
    const { response } = watcher;
    if (!this.#watchers.has(watcher) || response.destroyed) return;
    watcher.saidMs = this.#options.clock.monoMs();
    if (!response.write(text)) watcher.fullMs = watcher.saidMs;
  }

  /** Its last word, then the end; one that does not read it is cut all the same. */
  #end(watcher: Watcher, fault: Fault): Promise<void> {
    const { response } = watcher;
    this.#say(watcher, `event: end\ndata: ${JSON.stringify(problemOf(fault))}\n\n`);
    this.#watchers.delete(watcher);
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(partingMs, () => {
        response.destroy();
        resolve();
      });
      response.on("close", () => {
        cancel();
        resolve();
      });
      response.end();
    });
  }
}

/** The numbers of changes begin anew when the relay is put back from a copy. */
export function otherEpoch(): Fault {
  return new Fault("CONFLICT", { what: "this place to watch from is not one of this relay's", why: "the relay was put back from a copy since", hint: "list again, and watch from there" });
}
