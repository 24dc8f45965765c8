// Durations as people read them in tables: `5s`, `3m20s`, `4d`, in the steps kubectl uses. Pure.

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const pair = (large: number, largeUnit: string, small: number, smallUnit: string): string => (small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`);

export function humanDuration(durationMs: number): string {
  const seconds = Math.floor(durationMs / secondMs);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const minutes = Math.floor(durationMs / minuteMs);
  const hours = Math.floor(durationMs / hourMs);
  const days = Math.floor(durationMs / dayMs);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (days < 8) return pair(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  return pair(Math.floor(days / 365), "y", days % 365, "d");
}

export function humanAge(since: unknown, nowMs: number): string {
  const startMs = typeof since === "string" ? Date.parse(since) : Number.NaN;
  return Number.isNaN(startMs) ? "<unknown>" : humanDuration(nowMs - startMs);
}
