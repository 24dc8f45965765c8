// One claimed command on its way to an outcome: run, or after a restart what rules/recovery says of it. Promises: nothing is called failed that may be running or
// may have run, nothing starts unless its deadline is surely ahead, and a cluster that is away is no verdict until the command's time is over, and then the reason.
import type { CommandBody, CommandOutcome } from "../../shared/api.ts";
import { ceiling, pause, type Clock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import { repeatabilityOf } from "../../shared/rules/command-kinds.ts";
import { afterProbe, deadlineVerdict, recoveryAct, type ProbeAnswer } from "../../shared/rules/recovery.ts";
import type { TimeEstimate } from "../site-clock.ts";
import type { ClaimedCommand } from "../store/commands.ts";
import { readBody, type Catalog, type Effect, type RunArgs } from "./catalog.ts";
import { isAway } from "./cluster.ts";

/** A deadline that is unclear, and a cluster that is away, are looked at again after this (ms). */
const waitMs = 5_000;
const retryMs = { first: 1_000, most: 30_000 };
/** The last look at what became of a command whose run ended without a verdict (ms). */
const lastLookMs = 75_000;
/** Stopping an effect is tried this long (ms) while the cluster is away. */
const stopMs = 600_000;

export interface RunOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly time: { estimate(): TimeEstimate | null };
  /** Of the agent: when it stops, the claim stays and the next start decides. */
  readonly signal: AbortSignal;
  /** The cluster has acknowledged the beginning: durable when it resolves. */
  readonly onBegun: (leaves: string) => Promise<void>;
  /** It has found what it acts on: durable when it resolves. */
  readonly onResolved: (what: string) => Promise<void>;
  /** It waits now for something that takes no work here: others may start in its place. */
  readonly onWaiting: () => void;
}

export class CommandRun {
  readonly #options: RunOptions;
  readonly #command: ClaimedCommand;
  readonly #body: CommandBody;
  readonly #effect: Effect;
  readonly #isRestart: boolean;
  readonly #cancel = new AbortController();
  /** Of the agent's stop and of a cancel: either ends the work. */
  readonly #signal: AbortSignal;
  #hasEffect: boolean;
  #resolved: string | null;
  /** Why the cluster could not be asked, the last time. */
  #away: Fault | null = null;

  /** Faults COMMAND_INVALID, POLICY_REFUSED: not a command. */
  constructor(options: RunOptions, command: ClaimedCommand, isRestart: boolean) {
    this.#options = options;
    this.#command = command;
    this.#body = readBody(command);
    this.#isRestart = isRestart;
    this.#signal = AbortSignal.any([options.signal, this.#cancel.signal]);
    if (command.cancelAsked) this.cancel();
    this.#hasEffect = command.hasEffect;
    this.#resolved = command.resolved;
    const hasBegun = (): boolean => this.#hasEffect;
    const resolved = (): string | null => this.#resolved;
    this.#effect = {
      mayHaveBegun: isRestart || command.hasEffect,
      get hasBegun() {
        return hasBegun();
      },
      get resolved() {
        return resolved();
      },
      resolve: async (what) => {
        await options.onResolved(what);
        this.#resolved = what;
      },
      waits: () => options.onWaiting(),
      begun: async (leaves) => {
        this.#hasEffect = true;
        await options.onBegun(leaves);
        options.onWaiting();
      },
    };
  }

  /** Rejects only when the agent stops. */
  async outcome(): Promise<CommandOutcome> {
    try {
      return await (this.#isRestart ? this.#recover() : this.#first());
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (this.#cancel.signal.aborted) return this.#stop();
      const fault = asFault(error);
      return this.#withoutVerdict(`${fault.message}: ${fault.why}`, fault);
    }
  }

  /** Its claim was judged by the time before it was written, and a slow disk takes seconds: what is begun too late is not begun. */
  #first(): Promise<CommandOutcome> {
    if (this.#deadline() === "ahead") return this.#run();
    return Promise.resolve({ state: "expired", what: "its deadline passed while the claim was being written", code: null, objects: [] });
  }

  cancel(): void {
    this.#cancel.abort(new Fault("CANCELLED", { what: "it was cancelled" }));
  }

  /** What was cancelled while it ran: stopped where the cluster can stop it, and its true outcome where it had ended. */
  async #stop(): Promise<CommandOutcome> {
    const { catalog, clock, signal } = this.#options;
    if (this.#repeatability === "neither") return unknown("it was cancelled while it ran");
    if (this.#repeatability === "idempotent") return cancelled("it was cancelled while it ran: some of it may be done");
    const limit = ceiling(clock, stopMs);
    try {
      const args = this.#args(AbortSignal.any([signal, limit.signal]));
      const found = await this.#untilDecided(() => catalog.stop(args), args.signal);
      if (found === "stopped") return cancelled("it was cancelled while it ran, and stopped");
      if (found !== "absent") return found;
      return this.#effect.mayHaveBegun || this.#hasEffect ? unknown("it was cancelled while it ran, and the cluster shows no trace of it any more") : cancelled("it was cancelled before it began");
    } catch (error) {
      signal.throwIfAborted();
      return unknown(`it was cancelled while it ran, and the cluster could not be told: ${(this.#away ?? asFault(error)).why}`);
    } finally {
      limit.clear();
    }
  }

  async #recover(): Promise<CommandOutcome> {
    const { uncleanRestarts } = this.#command;
    for (;;) {
      switch (recoveryAct({ repeatability: this.#repeatability, uncleanRestarts, deadline: this.#deadline() })) {
        case "poison":
          return failed(`the agent ended ${uncleanRestarts} times while it ran; given up`);
        case "unknown":
          return unknown(this.#repeatability === "neither" ? "the agent was restarted while it ran, and it may not run twice" : "the agent was restarted while it ran, and its deadline has passed since: some of it may be done");
        case "runAgain":
          return this.#run();
        case "probe":
          return this.#probe();
        case "wait":
          await this.#wait();
      }
    }
  }

  /** The cluster is asked first; only what surely never began, before its deadline, is started. */
  async #probe(): Promise<CommandOutcome> {
    const { uncleanRestarts } = this.#command;
    for (;;) {
      const found = await this.#limited((args) => this.#options.catalog.probe(args));
      const answer: ProbeAnswer = found === null ? "running" : found === "absent" ? "absent" : "ended";
      switch (afterProbe(answer, { uncleanRestarts, deadline: this.#deadline(), hasEffect: this.#hasEffect })) {
        case "adopt":
          return found as CommandOutcome;
        case "watch":
          return this.#limited((args) => this.#options.catalog.watch(args));
        case "start":
          this.#effect.mayHaveBegun = false;
          return this.#run();
        case "poison":
          return failed(`the agent ended ${uncleanRestarts} times while it ran; given up, the cluster shows no trace of it`);
        case "unknown":
          return unknown(this.#whyUnknown(answer));
        case "wait":
          await this.#wait();
      }
    }
  }

  #whyUnknown(answer: ProbeAnswer): string {
    if (answer === "running") return `the agent ended ${this.#command.uncleanRestarts} times while it ran; given up, and it may be running still`;
    if (this.#hasEffect) return "it had started before the agent was restarted, and somebody has deleted it since";
    return "the agent was restarted while it ran, its deadline has passed, and the cluster shows no trace of it";
  }

  #run(): Promise<CommandOutcome> {
    return this.#limited((args) => this.#options.catalog.run(args));
  }

  /** Until it is decided. Fault COMMAND_FAILED when the command's time is over before that, with the reason of the last try. */
  async #limited<Found>(work: (args: RunArgs) => Promise<Found>): Promise<Found> {
    const { catalog, clock } = this.#options;
    const signal = this.#signal;
    const limitMs = Math.min(catalog.runMsMax(this.#body), 2 ** 31 - 1);
    const limit = ceiling(clock, limitMs);
    const args = this.#args(AbortSignal.any([signal, limit.signal]));
    try {
      return await this.#untilDecided(() => work(args), args.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!limit.signal.aborted) throw error;
      const why = this.#away === null ? "it was still at work" : `the last try: ${this.#away.message}: ${this.#away.why}`;
      throw new Fault("COMMAND_FAILED", { what: `it did not end within its time (${Math.round(limitMs / 1000)} s)`, why });
    } finally {
      limit.clear();
    }
  }

  /** Repeats while the cluster is away: that is no verdict about the command. */
  async #untilDecided<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { clock, log } = this.#options;
    for (let delayMs = retryMs.first; ; delayMs = Math.min(retryMs.most, delayMs * 2)) {
      try {
        const result = await work();
        this.#away = null;
        return result;
      } catch (error) {
        signal.throwIfAborted();
        const fault = asFault(error);
        if (!isAway(fault)) throw fault;
        this.#away = fault;
        log.warn({ command: this.#command.id, code: fault.code, why: fault.why }, "a command waits for the cluster");
        await pause(clock, delayMs, signal);
      }
    }
  }

  /** The run ended and nobody said how: what may have begun is looked at once more, and is unknown rather than failed. */
  async #withoutVerdict(why: string, fault: Fault): Promise<CommandOutcome> {
    const { catalog, clock, signal } = this.#options;
    if (this.#repeatability !== "verifiable" || !(this.#effect.mayHaveBegun || this.#hasEffect)) return failed(why, fault.code);
    const limit = ceiling(clock, lastLookMs);
    try {
      const found = await catalog.probe(this.#args(AbortSignal.any([signal, limit.signal])));
      if (found === null) return unknown(`${why}; it was still running`);
      if (found !== "absent") return found;
      return unknown(`${why}; the cluster shows no trace of it any more`);
    } catch (error) {
      signal.throwIfAborted();
      return unknown(`${why}; the cluster could not be asked what became of it: ${asFault(error).why}`);
    } finally {
      limit.clear();
    }
  }

  #args(signal: AbortSignal): RunArgs {
    return { commandId: this.#command.id, body: this.#body, signal, effect: this.#effect, startedMs: this.#command.startedMs };
  }

  get #repeatability(): ReturnType<typeof repeatabilityOf> {
    return repeatabilityOf(this.#command.kind);
  }

  #deadline(): ReturnType<typeof deadlineVerdict> {
    return deadlineVerdict(this.#options.time.estimate(), this.#command.deadlineMs);
  }

  /** Outside the command's own time: what it waits for is a clock. */
  #wait(): Promise<void> {
    this.#options.onWaiting();
    return pause(this.#options.clock, waitMs, this.#signal);
  }
}

function unknown(what: string): CommandOutcome {
  return { state: "outcome-unknown", what, code: null, objects: [] };
}

function cancelled(what: string): CommandOutcome {
  return { state: "cancelled", what, code: null, objects: [] };
}

function failed(what: string, code: CommandOutcome["code"] = "COMMAND_FAILED"): CommandOutcome {
  return { state: "failed", what, code, objects: [] };
}
