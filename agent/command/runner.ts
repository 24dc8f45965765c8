// Runs commands: claims one at a time in order, lets those of different keys run side by side, writes each outcome with its letter, and after a restart decides
// what a claim without an outcome means. Knows no kind of command; the catalog does. delivery.md section 3.
import type { CommandOutcome } from "../../shared/api.ts";
import { pause, type CancelTimer, type Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import { repeatabilityOf } from "../../shared/rules/command-kinds.ts";
import { afterProbe, deadlineVerdict, recoveryAct, type ProbeAct } from "../../shared/rules/recovery.ts";
import type { TimeEstimate } from "../site-clock.ts";
import type { ClaimedCommand } from "../store/commands.ts";
import type { AgentStore } from "../store/store.ts";
import { parseCommandBody, type Catalog, type RunArgs } from "./catalog.ts";

/** Commands that run side by side. */
const parallelMax = 4;
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
  readonly #running = new Map<string, Promise<void>>();
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

  get runningCount(): number {
    return this.#running.size;
  }

  /** A command may be ready. */
  poke(): void {
    this.#wantsLook = true;
    if (!this.#isLooking && !this.#options.signal.aborted) void this.#look();
  }

  /** Resolves when nothing runs any more; what was claimed is taken up by the next start. */
  async stopped(): Promise<void> {
    this.#cancel();
    await Promise.allSettled([...this.#running.values()]);
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
        while (now !== null && this.#running.size < parallelMax && !signal.aborted) {
          crashPoint("before-claim");
          const command = await store.call("claimCommand", { nowMs: now.nowMs, errorMs: now.errorMs });
          this.#options.onLetter();
          if (command === null) break;
          crashPoint("after-claim");
          this.#begin(command, false);
        }
        if (now !== null) await store.call("purgeCommands", now);
      }
    } catch (error) {
      log.warn({ code: asFault(error).code, why: asFault(error).why }, "commands could not be claimed; tried again");
    } finally {
      this.#isLooking = false;
      if (!signal.aborted) this.#cancel = clock.after(lookMs, () => this.poke());
    }
  }

  #begin(command: ClaimedCommand, isRestart: boolean): void {
    const run = this.#run(command, isRestart).finally(() => {
      this.#running.delete(command.id);
      this.poke();
    });
    this.#running.set(command.id, run);
  }

  async #run(command: ClaimedCommand, isRestart: boolean): Promise<void> {
    const { log, signal } = this.#options;
    log.info({ command: command.id, kind: command.kind, attempt: command.attempts }, isRestart ? "a claimed command is taken up again" : "a command starts");
    let outcome: CommandOutcome;
    try {
      outcome = await this.#outcome(command, isRestart);
    } catch (error) {
      if (signal.aborted) return; // the claim stays, and the next start decides
      const fault = asFault(error);
      outcome = { state: "failed", what: `${fault.message}: ${fault.why}`.slice(0, 2_000), code: fault.code, objects: [] };
    }
    crashPoint("effect-before-outcome");
    await this.#settle(command, outcome);
    log.info({ command: command.id, state: outcome.state, what: outcome.what }, "a command ended");
    crashPoint("outcome-before-send");
    this.#options.onLetter();
  }

  /** The outcome is true whatever the disk says: it is written again until it is durable. */
  async #settle(command: ClaimedCommand, outcome: CommandOutcome): Promise<void> {
    const { store, time, clock, log, signal } = this.#options;
    for (let delayMs = retryMs.first; ; delayMs = Math.min(retryMs.most, delayMs * 2)) {
      try {
        return await store.call("settleCommand", { id: command.id, outcome, startedMs: command.startedMs, nowMs: time.shownMs() });
      } catch (error) {
        const fault = asFault(error);
        if (fault.family !== "unavailable" || signal.aborted) throw fault;
        log.error({ command: command.id, code: fault.code, why: fault.why }, "an outcome cannot be stored; tried again");
        await pause(clock, delayMs, signal);
      }
    }
  }

  async #outcome(command: ClaimedCommand, isRestart: boolean): Promise<CommandOutcome> {
    const { catalog, store, signal } = this.#options;
    const body = parseCommandBody(command.body);
    const ceiling = AbortSignal.timeout(Math.min(catalog.runMsMax(body), 2 ** 31 - 1));
    const args: RunArgs = {
      commandId: command.id,
      body,
      signal: AbortSignal.any([signal, ceiling]),
      onStarted: () => store.call("markEffect", { id: command.id, cleanup: null }),
    };
    try {
      if (!isRestart) return await this.#untilDecided(() => catalog.run(args), args.signal);
      return await this.#recover(command, args);
    } catch (error) {
      if (ceiling.aborted && !signal.aborted) return { state: "failed", what: "it did not end within its time", code: "COMMAND_FAILED", objects: [] };
      throw error;
    }
  }

  async #recover(command: ClaimedCommand, args: RunArgs): Promise<CommandOutcome> {
    const { catalog, clock, time } = this.#options;
    for (;;) {
      const act = recoveryAct({ repeatability: repeatabilityOf(command.kind), uncleanRestarts: command.uncleanRestarts, deadline: deadlineVerdict(time.estimate(), command.deadlineMs) });
      switch (act) {
        case "poison":
          return { state: "failed", what: `the agent ended ${command.uncleanRestarts} times while it ran; given up`, code: "COMMAND_FAILED", objects: [] };
        case "unknown":
          return unknownOutcome("the agent was restarted while it ran, and it may not run again");
        case "runAgain":
          return this.#untilDecided(() => catalog.run(args), args.signal);
        case "probe":
          return this.#probe(command, args);
        case "wait":
          await pause(clock, lookMs, args.signal);
      }
    }
  }

  /** The cluster is asked first; only what surely never began, before its deadline, is started. */
  async #probe(command: ClaimedCommand, args: RunArgs): Promise<CommandOutcome> {
    const { catalog, clock, time } = this.#options;
    for (;;) {
      const found = await this.#untilDecided(() => catalog.probe(args), args.signal);
      const answer = found === null ? "running" : found === "absent" ? "absent" : "ended";
      const act: ProbeAct = afterProbe(answer, { uncleanRestarts: command.uncleanRestarts, deadline: deadlineVerdict(time.estimate(), command.deadlineMs), hasEffect: command.hasEffect });
      switch (act) {
        case "adopt":
          return found as CommandOutcome;
        case "watch":
        case "start":
          return this.#untilDecided(() => catalog.run(args), args.signal);
        case "poison":
          return { state: "failed", what: `the agent ended ${command.uncleanRestarts} times while it ran; given up, the cluster shows no trace of it`, code: "COMMAND_FAILED", objects: [] };
        case "unknown":
          return unknownOutcome(
            answer === "running"
              ? `the agent ended ${command.uncleanRestarts} times while it ran; given up, and it may be running still`
              : command.hasEffect
                ? "it had started before the agent was restarted, and somebody has deleted it since"
                : "the agent was restarted while it ran, its deadline has passed, and the cluster shows no trace of it",
          );
        case "wait":
          await pause(clock, lookMs, args.signal);
      }
    }
  }

  /** Repeats while the cluster is away: that is no verdict about the command. */
  async #untilDecided<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { clock, log } = this.#options;
    for (let delayMs = retryMs.first; ; delayMs = Math.min(retryMs.most, delayMs * 2)) {
      try {
        return await work();
      } catch (error) {
        const fault = asFault(error);
        if (signal.aborted) throw signal.reason instanceof Fault ? signal.reason : fault;
        if (fault.family !== "unavailable") throw fault;
        log.warn({ code: fault.code, why: fault.why }, "a command waits for the cluster");
        await pause(clock, delayMs, signal);
      }
    }
  }
}

function unknownOutcome(what: string): CommandOutcome {
  return { state: "outcome-unknown", what, code: null, objects: [] };
}
