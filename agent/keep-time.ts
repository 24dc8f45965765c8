// Keeps the site's time agreed with the relay: asks on a long link, and writes it down for the next start, at each agreement and every hour. Called by agent.ts; the rules of the time
// itself are site-clock.ts.
import type { Clock } from "../shared/kit/clock.ts";
import { asFault } from "../shared/kit/errors.ts";
import type { Logger } from "../shared/kit/log.ts";
import type { Link } from "../shared/link/link.ts";
import type { ClockRecord, SiteClock } from "./site-clock.ts";
import type { AgentStore } from "./store/store.ts";

/** While linked, the relay's time is asked for this often (ms): 200 ppm of drift are 360 ms by then. */
const askTimeMs = 1_800_000;

/** The time is written down this often (ms), linked or not: a reboot after days without a link finds it no older. */
const noteTimeMs = 3_600_000;

export interface TimePorts {
  readonly clock: Clock;
  readonly siteClock: SiteClock;
  readonly store: AgentStore;
  readonly log: Logger;
}

/** For the next start; a full disk costs that start its clock, not this link its life. */
export async function keepTime({ store, log }: TimePorts, record: ClockRecord | null): Promise<void> {
  if (record === null) return;
  try {
    await store.call("putFacts", { facts: { clock: JSON.stringify(record) } });
  } catch (error) {
    log.warn({ code: asFault(error).code, why: asFault(error).why }, "the agreed time could not be stored");
  }
}

/** Follows the relay's time while this link lives. Returns what ends that. */
export function followTime(ports: TimePorts, link: Link): () => void {
  const { clock, siteClock } = ports;
  link.onRoundTrip = (ms, peerWallMs) => void keepTime(ports, siteClock.agree(peerWallMs, ms));
  let cancel = clock.after(askTimeMs, again);
  function again(): void {
    link.ping();
    cancel = clock.after(askTimeMs, again);
  }
  return () => cancel();
}

/** Writes the time down now and then. Returns what ends that. */
export function noteTime(ports: TimePorts): () => void {
  const { clock, siteClock } = ports;
  let cancel = clock.after(noteTimeMs, note);
  function note(): void {
    void keepTime(ports, siteClock.record());
    cancel = clock.after(noteTimeMs, note);
  }
  return () => cancel();
}

/** The birth of a database that took another one's place, by the relay's time: what may run once only and was asked before is not run here (store/commands.ts). */
export async function noteBirth(store: AgentStore, nowMs: number): Promise<void> {
  const facts = await store.call("allFacts", null);
  if (facts.formerEpochs !== undefined && facts.bornMs === undefined) await store.call("putFacts", { facts: { bornMs: String(Math.round(nowMs)) } });
}
