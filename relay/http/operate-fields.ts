// Members of a request's body as the API's functions read them, each within its bound, and times as they answer them. What does not fit is refused with USAGE and
// all four parts.
import { Fault } from "../../shared/kit/errors.ts";
import { siteTimeMsMax } from "../../shared/rules/site-time.ts";

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

export function text(body: Record<string, unknown>, name: string, charsMax: number, hint: string): string {
  const value = body[name];
  if (typeof value !== "string" || value === "" || value.length > charsMax) throw new Fault("USAGE", { what: `"${name}" is missing or not a text`, why: `it has 1 to ${charsMax} characters`, hint });
  return value;
}

export function duration(body: Record<string, unknown>, name: string, bounds: { readonly fallbackMs: number; readonly mostMs: number }): number {
  const value = body[name] ?? bounds.fallbackMs;
  const most = `at most ${bounds.mostMs / dayMs} days`;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value <= 0) throw new Fault("USAGE", { what: `"${name}" is not a time`, why: `it is a whole number of milliseconds above 0, ${most}`, hint: "--ttl 8h" });
  if (value > bounds.mostMs) throw new Fault("USAGE", { what: `"${name}" is too long a time`, why: most, hint: `--ttl ${bounds.mostMs / dayMs}d` });
  return value;
}

/** A time as ISO 8601. What no Date can hold is shown as the last moment that one can: a list must not end because of one time in it. */
export function iso(ms: number): string {
  return new Date(Math.min(siteTimeMsMax, Math.max(-siteTimeMsMax, ms))).toISOString();
}
