// How long to wait before dialling again (link section 4): full jitter, so that a thousand sites do not return in one beat; short at the beginning of an
// outage, because most are. Pure: the random number is an argument.

export interface Outage {
  /** Ms since no relay has answered. */
  readonly forMs: number;
  /** Dials in this outage so far. */
  readonly attempts: number;
}

const firstMs = 500;
const ceilings = [
  { untilMs: 30_000, ceilingMs: 2_000 },
  { untilMs: 300_000, ceilingMs: 4_000 },
] as const;
export const backoffCeilingMs = 30_000;
/** A relay that answered and refused without a hint. */
export const refusedCeilingMs = 300_000;

/** No relay answered. */
export function dialDelayMs(outage: Outage, random: () => number): number {
  const ceilingMs = ceilings.find((step) => outage.forMs < step.untilMs)?.ceilingMs ?? backoffCeilingMs;
  return random() * Math.min(ceilingMs, firstMs * 2 ** Math.min(outage.attempts, 16));
}

/** A hint counts no further than this: a middlebox that asks for a day must not keep a site away when its relay has long been back. */
export const hintMsMax = 600_000;

/** A relay answered and refused: its hint counts, spread by a fifth; without one the wait doubles up to five minutes. */
export function refusedDelayMs(hintMs: number, refusals: number, random: () => number): number {
  if (hintMs > 0) return Math.min(hintMs, hintMsMax) * (1 + random() / 5);
  return random() * Math.min(refusedCeilingMs, 1_000 * 2 ** Math.min(refusals, 16));
}
