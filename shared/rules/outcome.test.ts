// Outcomes stay within their bound, whatever was said about each object, and failures are what is kept.
import { describe, expect, test } from "vitest";
import type { CommandOutcome } from "../api.ts";
import { boundedOutcome, findOutcome, outcomeHeadChars, outcomeOctetsMax, parseOutcome } from "./outcome.ts";

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

describe("what a site says of an end", () => {
  const small: CommandOutcome = { state: "failed", what: "1 of 1 failed", code: "COMMAND_FAILED", objects: [{ ref: "ConfigMap/a", result: "failed", why: "no" }] };

  test("comes back with the members that are known, in one order, within the bound", () => {
    expect(parseOutcome({ more: 1, ...small })).toEqual(small);
    expect(Object.keys(parseOutcome({ objects: [], code: null, what: "", state: "succeeded" }))).toEqual(["state", "what", "code", "objects"]);
    expect(parseOutcome({ ...small, code: "NOT_OURS" }).code).toBeNull();
    expect(octets(parseOutcome(outcome(1_000, "x".repeat(4_000), () => true)))).toBeLessThanOrEqual(outcomeOctetsMax);
  });

  test.each([
    ["nothing", null],
    ["a state of the relay's own", { ...small, state: "superseded" }],
    ["a state that is a name of every object", { ...small, state: "toString" }],
    ["no sentence", { ...small, what: { a: 1 } }],
    ["objects that are no list", { ...small, objects: "many" }],
    ["more objects than any command has", { ...small, objects: Array.from({ length: 2_001 }, () => small.objects[0]) }],
    ["an object that is none", { ...small, objects: [null] }],
    ["an object without its name", { ...small, objects: [{ ...small.objects[0], ref: 7 }] }],
    ["a result that is not known", { ...small, objects: [{ ...small.objects[0], result: "exploded" }] }],
  ])("is refused when it is %s", (_what, value) => {
    expect(() => parseOutcome(value)).toThrow(expect.objectContaining({ code: "ENVELOPE_MALFORMED" }));
  });

  test("is read from its first characters, its objects left out when there are more", () => {
    expect(findOutcome(JSON.stringify(small))).toEqual(small);
    const long = parseOutcome({ ...outcome(1_000, "y".repeat(400), () => true), what: '"\\u0001,"objects":["'.repeat(100) });
    const head = JSON.stringify(long).slice(0, outcomeHeadChars + 1);
    expect(findOutcome(head)).toEqual({ ...long, objects: [] });
    expect(findOutcome(`{"objects":[${"1,".repeat(outcomeHeadChars)}`)).toBeNull();
  });
});
