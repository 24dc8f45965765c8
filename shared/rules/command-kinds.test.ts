// What each kind of command is: may it run twice, who must have signed it. A kind that nobody knows is judged by what asks most.
import { expect, test } from "vitest";
import { COMMAND_KIND_NAMES, deadlineMsMaxOf, findCommandKind, repeatabilityOf } from "./command-kinds.ts";

test("what changes to the same may run again, of a Job the cluster tells whether it ran, and what is unknown starts once", () => {
  const kinds = ["apply", "delete", "scale", "restart", "undo", "cordon", "drain", "collect", "job", "script", "explode", "toString"];
  expect(kinds.map(repeatabilityOf)).toEqual([...kinds.slice(0, 8).map(() => "idempotent"), "verifiable", "verifiable", "neither", "neither"]);
});

test("all are signed as a write, but for what only reads, and an unknown kind has no class", () => {
  expect(COMMAND_KIND_NAMES.filter((kind) => findCommandKind(kind)?.cls !== "write")).toEqual(["collect"]);
  expect(["explode", "__proto__"].map((kind) => findCommandKind(kind)?.cls ?? null)).toEqual([null, null]);
});

test("a read waits a day for its start, a write thirty, and what is unknown as long as what asks most", () => {
  expect(["collect", "drain", "explode"].map((kind) => deadlineMsMaxOf(kind) / 3_600_000)).toEqual([24, 720, 4]);
});
