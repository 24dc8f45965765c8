// What each kind of command is: may it run twice, who must have signed it. A kind that nobody knows is judged by what asks most.
import { expect, test } from "vitest";
import { COMMAND_KIND_NAMES, findCommandKind, repeatabilityOf } from "./command-kinds.ts";

test("an apply and small changes may run again, of a Job the cluster tells whether it ran, and what is unknown starts once", () => {
  expect(["apply", "delete", "scale", "restart", "job", "explode", "toString"].map(repeatabilityOf)).toEqual(["idempotent", "idempotent", "idempotent", "idempotent", "verifiable", "neither", "neither"]);
});

test("all are signed as a write, and an unknown kind has no class", () => {
  expect(COMMAND_KIND_NAMES.map((kind) => findCommandKind(kind)?.cls)).toEqual(COMMAND_KIND_NAMES.map(() => "write"));
  expect(["explode", "__proto__"].map((kind) => findCommandKind(kind)?.cls ?? null)).toEqual([null, null]);
});
