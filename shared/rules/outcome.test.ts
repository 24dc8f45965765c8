// Outcomes stay within their bound, whatever was said about each object, and failures are what is kept.
import { expect, test } from "vitest";
import type { CommandOutcome } from "../api.ts";
import { boundedOutcome, outcomeOctetsMax } from "./outcome.ts";

const octets = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const outcome = (count: number, why: string, isFailed: (index: number) => boolean): CommandOutcome => ({
  state: "failed",
  what: "w".repeat(9_000),
  code: "COMMAND_FAILED",
  objects: Array.from({ length: count }, (_value, index) => ({ ref: `ConfigMap/${"n".repeat(600)}-${index}`, result: isFailed(index) ? "failed" : "created", why })),
});

test("what fits stays as it is", () => {
  const small: CommandOutcome = { state: "succeeded", what: "2 objects applied", code: null, objects: [{ ref: "ConfigMap/a", result: "created", why: "" }] };
  expect(boundedOutcome(small)).toEqual(small);
});

test.each(["x".repeat(20_000), "ü€😀".repeat(7_000), '"\\\n\u0001'.repeat(5_000)])("a thousand objects with essays fit, failures first", (why) => {
  const bounded = boundedOutcome(outcome(1_000, why, (index) => index >= 990));
  expect(octets(bounded)).toBeLessThanOrEqual(outcomeOctetsMax);
  expect(bounded.objects.filter(({ result }) => result === "failed")).toHaveLength(10);
  expect(bounded.objects.length).toBeGreaterThan(10);
  expect(bounded.what).toMatch(new RegExp(`${1_000 - bounded.objects.length} of 1000 objects are not listed`));
  expect(Math.max(...bounded.objects.map((object) => object.why.length))).toBeLessThanOrEqual(500);
});

test("objects keep the order they had", () => {
  const bounded = boundedOutcome(outcome(1_000, "y".repeat(600), (index) => index % 2 === 1));
  const numbers = bounded.objects.map(({ why: _why, ref }) => ref.length);
  expect(numbers.every((length) => length === 400)).toBe(true);
  expect(bounded.objects.every(({ result }) => result === "failed")).toBe(true);
});
