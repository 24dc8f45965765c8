// Claims commands one at a time in order, lets those of different keys run side by side, writes each outcome with its letters, and takes up what a restart finds.
// A command that only waits (a Job that is watched, a clock that is unknown) gives its place to others. Knows no kind of command; the catalog does.
// delivery.md section 3.
import type { CommandOutcome } from "../../shared/api.ts";
import { pause, type CancelTimer, type Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { asFault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { TimeEstimate } from "../site-clock.ts";
import type { ClaimedCommand } from "../store/commands.ts";
import type { AgentStore } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";
import { removeLeftovers } from "./leftovers.ts";
import { CommandRun } from "./run.ts";

/** Commands that work side by side, and those that are under way in all: a watched Job costs the API server one small read every two seconds. */
const workingMax = 4;
const underWayMax = 64;
/** Looks for work at least this often (ms): deadlines pass without anybody calling. */
const lookMs = 5_000;
const retryMs = { first: 1_000, most: 30_000 };

export interface RunnerOptions {
  readonly store: AgentStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly time: { estimate(): TimeEstimate | null; shownMs(): number };
  readonly signal: AbortSignal;
  /** A letter was put. */
  readonly onLetter: () => void;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #runs = new Map<string, CommandRun>();
  /** Ids of those that hold one of the places for work. */
  readonly #working = new Set<string>();
  #tidying: Promise<void> | null = null;
  #isLooking = false;
  #wantsLook = false;
  #cancel: CancelTimer = () => {};

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier run left, then looks for more. */
  async start(): Promise<void> {
    const found = await this.#options.store.call("reclaimCommands", null);
    for (const command of found) this.#begin(command, true);
    this.poke();
  }

  /** A command may be ready. */
  poke(): void {
    this.#wantsLook = true;
    if (!this.#isLooking && !this.#options.signal.aborted) void this.#look();
  }

  /** Stops a command that runs, as well as it can be; its true outcome counts. */
  cancel(id: string): void {
    this.#runs.get(id)?.cancel();
  }

  /** Resolves when nothing runs any more; what was claimed is taken up by the next start. */
  async stopped(): Promise<void> {
    this.#cancel();
    await Promise.allSettled([...this.#underWay.values(), this.#tidying]);
    const { store, log } = this.#options;
    await store.call("markCleanStop", null).catch((error: unknown) => log.warn({ why: asFault(error).why }, "the clean stop could not be noted; the next start counts as a restart"));
  }

  async #look(): Promise<void> {
    const { store, time, clock, log, signal } = this.#options;
    this.#isLooking = true;
    this.#cancel();
    try {
      while (this.#wantsLook && !signal.aborted) {
        this.#wantsLook = false;
        const now = time.estimate();
        // Clock unknown: a deadline can be neither judged kept nor passed, so commands wait.
        if (now === null) break; // looked at again in a while
        while (this.#working.size < workingMax && this.#underWay.size < underWayMax && !signal.aborted) {
          crashPoint("before-claim");
          const command = await store.call("claimCommand", now);
          this.#options.onLetter();
          if (command === null) break;
          crashPoint("after-claim");
          this.#begin(command, false);
        }
        this.#tidying ??= this.#tidy(now).finally(() => (this.#tidying = null));
      }
    } catch (error) {
      const { code, why } = asFault(error);
      // A full disk was said as it became full; who frees it takes hours, and this is tried every few seconds.
      if (!signal.aborted && !(code === "DISK_FULL" && store.isFull)) log.warn({ code, why }, "commands could not be claimed; tried again");
    } finally {
      this.#isLooking = false;
      if (!signal.aborted) this.#cancel = clock.after(lookMs, () => this.poke());
    }
  }

  /** Beside the claims: a cluster that answers slowly must not hold them up. */
  async #tidy(now: TimeEstimate): Promise<void> {
    const { store, log, signal } = this.#options;
    try {
      await store.call("purgeCommands", now);
      await store.call("purgeHistory", now);
      await removeLeftovers(this.#options, now.nowMs);
    } catch (error) {
      if (!signal.aborted) log.warn({ code: asFault(error).code, why: asFault(error).why }, "what has ended could not be cleared away; tried again");
    }
  }

  #begin(command: ClaimedCommand, isRestart: boolean): void {
    if (!isRestart) this.#working.add(command.id); // what a restart finds has had its place
    const run = this.#run(command, isRestart).finally(() => {
      this.#underWay.delete(command.id);
      this.#runs.delete(command.id);
      this.#leavePlace(command.id);
      this.poke();
    });
    this.#underWay.set(command.id, run);
  }

  #leavePlace(id: string): void {
    if (this.#working.delete(id)) this.poke();
  }

  async #run(command: ClaimedCommand, isRestart: boolean): Promise<void> {
    const { log, signal } = this.#options;
    log.info({ command: command.id, kind: command.kind, attempt: command.attempts }, isRestart ? "a claimed command is taken up again" : "a command starts");
    let outcome: CommandOutcome;
    try {
      outcome = await this.#outcome(command, isRestart);
    } catch {
      return; // the agent stops: the claim stays, and the next start decides
    }
    crashPoint("effect-before-outcome");
    await this.#settle(command, outcome);
    if (signal.aborted) return;
    log.info({ command: command.id, state: outcome.state, what: outcome.what }, "a command ended");
    crashPoint("outcome-before-send");
    this.#options.onLetter();
  }

  #outcome(command: ClaimedCommand, isRestart: boolean): Promise<CommandOutcome> {
    const { store } = this.#options;
    const onBegun = (leaves: string): Promise<void> => store.call("markEffect", { id: command.id, cleanup: leaves });
    const onResolved = (what: string): Promise<void> => store.call("markResolved", { id: command.id, resolved: what });
    try {
      const run = new CommandRun({ ...this.#options, onBegun, onResolved, onWaiting: () => this.#leavePlace(command.id) }, command, isRestart);
      this.#runs.set(command.id, run);
      return run.outcome();
    } catch (error) {
      const fault = asFault(error);
      return Promise.resolve({ state: "failed", what: `${fault.message}: ${fault.why}`, code: fault.code, objects: [] });
    }
  }

  /** The outcome is true whatever the disk says: it is written again until it is durable, or until the agent stops and finds its claim again. */
  async #settle(command: ClaimedCommand, outcome: CommandOutcome): Promise<void> {
    const { store, time, clock, log, signal } = this.#options;
    for (let delayMs = retryMs.first; !signal.aborted; delayMs = Math.min(retryMs.most, delayMs * 2)) {
      try {
        return await store.call("settleCommand", { id: command.id, outcome, startedMs: command.startedMs, nowMs: time.shownMs() });
      } catch (error) {
        const fault = asFault(error);
        log.error({ command: command.id, code: fault.code, why: fault.why }, "an outcome cannot be stored; tried again");
        if (fault.code === "STATE_REFUSED" || fault.code === "COMMAND_UNKNOWN") return; // it has one already, or nobody asked
        await pause(clock, delayMs, signal).catch(() => {}); // the agent stops
      }
    }
  }
}
