// What each kind of command is: may it run twice, who must have signed it. A kind that nobody knows is judged by what asks most.
import { expect, test } from "vitest";
import { findCommandKind, repeatabilityOf } from "./command-kinds.ts";

test("an apply may run again, of a Job the cluster tells whether it ran, and what is unknown starts once", () => {
  expect(["apply", "job", "explode", "toString"].map(repeatabilityOf)).toEqual(["idempotent", "verifiable", "neither", "neither"]);
});

test("both are signed as a write, and an unknown kind has no class", () => {
  expect(["apply", "job", "explode", "__proto__"].map((kind) => findCommandKind(kind)?.cls ?? null)).toEqual(["write", "write", null, null]);
});
