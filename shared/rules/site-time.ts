// Times that a site says: whole milliseconds since 1970 that a Date can hold. Beyond its end `new Date(ms).toISOString()` throws, and one site's clock would take
// away the list of all of them. Pure.

/** The last moment of ECMAScript's time value (ms): the year 275760. */
export const siteTimeMsMax = 8_640_000_000_000_000;

export function isSiteTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= siteTimeMsMax;
}
