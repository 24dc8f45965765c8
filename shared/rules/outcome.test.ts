// Outcomes stay within their bound, whatever was said about each object, and failures are what is kept.
import { describe, expect, test } from "vitest";
import type { CommandOutcome } from "../api.ts";
import { boundedLog, boundedOutcome, bundleCharsMax, findOutcome, logOctetsMax, outcomeHeadChars, outcomeOctetsMax, parseOutcome } from "./outcome.ts";

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

describe("a log", () => {
  const log = (text: string, missingOctets = 0) => ({ text, missingOctets, why: "" });

  test.each(["x".repeat(200_000), "ü€😀".repeat(30_000), "\u0001".repeat(60_000), "a\n\"\\".repeat(50_000), `😀${"x".repeat(logOctetsMax - 4)}`])("keeps its end, of whole characters, and counts the octets before it", (text) => {
    const bounded = boundedLog(log(text, 7));
    expect(octets(bounded.text)).toBeLessThanOrEqual(logOctetsMax);
    expect(octets(bounded.text)).toBeGreaterThan(logOctetsMax - 8);
    expect(text.endsWith(bounded.text)).toBe(true);
    expect(bounded.text.isWellFormed()).toBe(true);
    expect(bounded.missingOctets - 7 + Buffer.byteLength(bounded.text)).toBe(Buffer.byteLength(text));
  });

  test("that fits stays as it is", () => {
    expect(boundedLog(log("done\n"))).toEqual(log("done\n"));
  });

  test("and a bundle leave room for each other, and objects have what is left", () => {
    const bundle = "A".repeat(bundleCharsMax);
    const bounded = boundedOutcome({ ...outcome(1_000, "\u0001".repeat(500), () => true), what: "\u0001".repeat(9_000), log: { ...log("\u0001".repeat(60_000)), why: "\u0001".repeat(900) }, bundle });
    expect(octets(bounded)).toBeLessThanOrEqual(outcomeOctetsMax);
    expect(bounded).toMatchObject({ bundle, log: { missingOctets: expect.any(Number) as number } });
  });

  test.each([`${"A".repeat(bundleCharsMax)}B`, "not base64!", ""])("a bundle that could not be opened is left out", (bundle) => {
    expect(boundedOutcome({ ...outcome(0, "", () => true), bundle })).not.toHaveProperty("bundle");
  });
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
    const whole = { ...small, log: { text: "a\n", missingOctets: 3, why: "" }, bundle: "QUJD" };
    expect(parseOutcome({ bundle: whole.bundle, log: { more: 1, ...whole.log }, ...small })).toEqual(whole);
    expect(Object.keys(parseOutcome(whole)).slice(3)).toEqual(["objects", "log", "bundle"]);
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
    ["a log that is a text", { ...small, log: "a" }],
    ["a log that is none", { ...small, log: null }],
    ["a log that misses less than nothing", { ...small, log: { text: "", missingOctets: -1, why: "" } }],
    ["a bundle that is no text", { ...small, bundle: { a: 1 } }],
    ["a result that is not known", { ...small, objects: [{ ...small.objects[0], result: "exploded" }] }],
  ])("is refused when it is %s", (_what, value) => {
    expect(() => parseOutcome(value)).toThrow(expect.objectContaining({ code: "ENVELOPE_MALFORMED" }));
  });

  test("is read from its first characters, its objects left out when there are more", () => {
    expect(findOutcome(JSON.stringify(small))).toEqual(small);
    const long = parseOutcome({ ...outcome(1_000, "y".repeat(400), () => true), what: '"\\u0001,"objects":["'.repeat(100) });
    const head = JSON.stringify(long).slice(0, outcomeHeadChars + 1);
    expect(findOutcome(head)).toEqual({ ...long, objects: [] });
    const withLog = JSON.stringify(parseOutcome({ ...small, log: { text: "x".repeat(40_000), missingOctets: 0, why: "" } }));
    expect(findOutcome(withLog.slice(0, outcomeHeadChars + 1))).toEqual({ ...small, objects: [] });
    expect(findOutcome(`{"objects":[${"1,".repeat(outcomeHeadChars)}`)).toBeNull();
  });
});
