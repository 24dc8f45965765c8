// What a report says of the agent's store: each trouble once, by its own name, and nothing while there is room.
import { expect, test } from "vitest";
import { roomTroubles } from "./report.ts";

test.each([
  ["has room", {}, []],
  ["fills up", { shed: ["bulk", "deploy"] as const }, ["store-filling"]],
  ["has no room for another result", { isTight: true }, ["results-waiting"]],
  ["did not keep everything", { gaps: 12 }, ["history-gaps"]],
  ["has all of these troubles", { shed: ["bulk"] as const, isTight: true, gaps: 1 }, ["store-filling", "results-waiting", "history-gaps"]],
])("a store that %s says so in the report", (_name, change, ids) => {
  expect(roomTroubles({ shed: [], isTight: false, gaps: 0, ...change }).map(({ id }) => id)).toEqual(ids);
});

test("which orders wait is said, and no number that moves by itself: a report would leave at every change", () => {
  const said = (gaps: number): string => roomTroubles({ shed: ["bulk", "deploy"], isTight: false, gaps }).map(({ what }) => what).join();
  expect(said(1)).toContain("bulk, deploy");
  expect(said(1)).toBe(said(2));
});
