// When a report is worth sending. Pure: a report as a value, and the part of it that counts as change.
import type { SiteReport } from "../../shared/api.ts";
import type { Room } from "../store/room.ts";

/** Never more often than this (ms), however much changes. */
const floorMs = 5_000;
/** At least this often (ms), so that the age at the centre means something. */
const ceilingMs = 5 * 60_000;

/** What must differ for a report to be sent before its time: no clocks, no memory readings, no queue that moves by itself. */
export function changeKey(report: SiteReport): string {
  const { madeAtMs: _made, agent, queues, ...rest } = report;
  return JSON.stringify({ rest, startedAtMs: agent.startedAtMs, health: agent.health, commandsOpen: queues.commandsOpen });
}

export type Trouble = SiteReport["agent"]["health"][number];

/** What a store that fills up keeps out, and what it has lost. No octets: they move by themselves. */
export function roomTroubles({ shed, gaps, isTight }: Pick<Room, "shed" | "gaps" | "isTight">): Trouble[] {
  const troubles: Trouble[] = [];
  if (shed.length > 0) troubles.push({ id: "store-filling", what: `the agent's store fills up: orders of the lanes ${shed.join(", ")} wait at the relay` });
  if (isTight) troubles.push({ id: "results-waiting", what: "results that wait, and the room that is kept for those that come, fill their share of the agent's store: orders wait before they begin" });
  if (gaps > 0) troubles.push({ id: "history-gaps", what: "some events were not kept; the records that say how many wait to leave" });
  return troubles;
}

export interface LastReport {
  readonly key: string;
  readonly atMs: number;
}

export function isDue(last: LastReport | null, key: string, nowMs: number): boolean {
  if (last === null) return true;
  const ageMs = nowMs - last.atMs;
  return ageMs >= ceilingMs || (key !== last.key && ageMs >= floorMs);
}
