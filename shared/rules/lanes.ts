// Lanes of letters: who goes first when a site returns. Control overtakes everything; the others share by weight, and a letter that has waited
// long moves up. A lane never reorders inside a key. Pure. delivery.md section 4.

export const LANES = ["control", "interactive", "deploy", "bulk"] as const;
export type LaneName = (typeof LANES)[number];

/** Shares after control, which always goes first. */
export const laneWeights: Readonly<Record<LaneName, number>> = { control: 8, interactive: 8, deploy: 4, bulk: 2 };
/** A letter that waited this long (ms) counts as one of the lane above. */
export const laneAgeingMs = 5 * 60_000;

export function isLaneName(value: unknown): value is LaneName {
  return typeof value === "string" && (LANES as readonly string[]).includes(value);
}
