// When a report is worth sending. Pure: a report as a value, and the part of it that counts as change.
import type { SiteReport } from "../../shared/api.ts";

/** Never more often than this (ms), however much changes. */
const floorMs = 5_000;
/** At least this often (ms), so that the age at the centre means something. */
const ceilingMs = 5 * 60_000;

/** What must differ for a report to be sent before its time: no clocks, no memory readings, no queue that moves by itself. */
export function changeKey(report: SiteReport): string {
  const { madeAtMs: _made, agent, queues, ...rest } = report;
  return JSON.stringify({ rest, startedAtMs: agent.startedAtMs, health: agent.health, commandsOpen: queues.commandsOpen });
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
