// Removes what commands left in the cluster, once the relay has their results and people have had a day to look. A few at a time; a cluster that is away is asked
// again, one that refuses keeps it. Called by the runner.
import { ceiling, type Clock } from "../../shared/kit/clock.ts";
import { asFault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { AgentStore } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";
import { isAway } from "./cluster.ts";

const atOnce = 10;
/** One round takes no longer than this (ms). */
const roundMs = 60_000;

export interface LeftoverOptions {
  readonly store: AgentStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function removeLeftovers(options: LeftoverOptions, nowMs: number): Promise<void> {
  const { store, catalog, clock, log, signal } = options;
  const due = await store.call("dueLeftovers", { nowMs, limit: atOnce });
  if (due.length === 0) return;
  const limit = ceiling(clock, roundMs);
  try {
    for (const { id, cleanup } of due) {
      try {
        await catalog.cleanUp(id, cleanup, AbortSignal.any([signal, limit.signal]));
      } catch (error) {
        const fault = asFault(error);
        if (signal.aborted || limit.signal.aborted || isAway(fault)) return; // later
        log.warn({ command: id, code: fault.code, why: fault.why }, "what a command left in the cluster cannot be removed; it stays");
      }
      await store.call("leftoverRemoved", { id });
    }
  } finally {
    limit.clear();
  }
}
