// What happens by time alone: commands that never left expire, those that a site had no room for are offered again, records whose time is over go, a few at a
// time. Runs every few seconds.
import type { Clock, CancelTimer } from "../../shared/kit/clock.ts";
import { asFault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { RelayStore } from "../store/store.ts";

const sweepMs = 5_000;
/** A blocked command is offered again on a live link this often (ms): a disk that was full is seldom full for a second. */
const unblockMs = 30_000;

export interface SweepOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ids of the sites that are linked, with what wakes each one's courier. */
  readonly linked: () => Iterable<{ readonly siteId: string; poke(): void }>;
}

/** Starts the sweep. Returns what stops it. */
export function startSweep(options: SweepOptions): () => void {
  const { store, clock, log } = options;
  let cancel: CancelTimer = () => {};
  let unblockAtMs = clock.monoMs() + unblockMs;
  let hasStopped = false;
  const sweep = async (): Promise<void> => {
    try {
      const nowMs = clock.wallMs();
      while (!hasStopped && (await store.call("expireCommands", { nowMs })));
      if (!hasStopped) await store.call("purgeRecords", { nowMs }); // one batch a round: the rest waits for the next one
      if (clock.monoMs() >= unblockAtMs) {
        unblockAtMs = clock.monoMs() + unblockMs;
        const linked = [...options.linked()];
        await store.call("touchSites", { sites: linked.map((site) => ({ id: site.siteId, lastContactMs: nowMs })) });
        for (const site of linked) if (!hasStopped && (await store.call("unblockCommands", { site: site.siteId, nowMs })) > 0) site.poke();
      }
    } catch (error) {
      log.warn({ code: asFault(error).code, why: asFault(error).why }, "the sweep of commands failed and is tried again");
    }
    if (!hasStopped) arm();
  };
  const arm = (): void => void (cancel = clock.after(sweepMs, () => void sweep()));
  arm();
  return () => {
    hasStopped = true;
    cancel();
  };
}
