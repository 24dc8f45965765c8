// Lanes of letters: four, in the order of their urgency, each with a share.
import { expect, test } from "vitest";
import { isLaneName, LANES, laneWeights } from "./lanes.ts";

test("the lanes stand in the order in which they leave, and shares fall that way", () => {
  expect(LANES).toEqual(["control", "interactive", "deploy", "bulk"]);
  const weights = LANES.map((lane) => laneWeights[lane]);
  expect(weights).toEqual([...weights].sort((left, right) => right - left));
  expect(Math.min(...weights)).toBeGreaterThan(0);
});

test("what a peer calls a lane is one, or is not", () => {
  for (const lane of LANES) expect(isLaneName(lane)).toBe(true);
  for (const value of ["", "Control", "constructor", "__proto__", 0, null, undefined, ["bulk"]]) expect(isLaneName(value)).toBe(false);
});
