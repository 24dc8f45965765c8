// The one error class: every code has a family, a status and an exit code that fit together, and people, logs and the wire get the same four parts.
import { expect, test } from "vitest";
import { asFault, Fault, FAULTS, faultFromRecord, faultRecord, faultText, isFaultCode, type FaultCode } from "./errors.ts";

const codes = Object.keys(FAULTS) as FaultCode[];
/** experience: 1 failed, 2 usage, 3 login, 4 forbidden, 5 not found, 6 conflict, 7 offline, 8 gave up waiting, 9 some sites failed, 130 interrupted. */
const exits = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
/** What a status means for the exit code, where it means one thing only. */
const exitOfStatus = new Map([
  [401, 3],
  [403, 4],
  [404, 5],
  [409, 6],
]);

test.each(codes)("%s has a family, a status, an exit code and a meaning that fit together", (code) => {
  const { family, http, exit, meaning } = FAULTS[code];
  expect(exits.has(exit)).toBe(true);
  expect(exit).toBe(exitOfStatus.get(http) ?? exit);
  expect(http === 200 || (http >= 400 && http <= 599)).toBe(true);
  expect(family === "bug").toBe(code === "BUG");
  if (family === "unavailable") expect([429, 499, 502, 503, 504, 507]).toContain(http);
  expect(meaning).toMatch(/^[a-z].*[^.]$/);
  const fault = new Fault(code, { what: "it did not work" });
  expect([fault.family, fault.httpStatus, fault.exitCode, fault.why, fault.hint]).toEqual([family, http, exit, meaning, ""]);
});

test("no two codes mean the same", () => {
  expect(new Set(Object.values(FAULTS).map(({ meaning }) => meaning)).size).toBe(codes.length);
});

test("a person reads what, why, try and code, each under its column, several lines included", () => {
  const fault = new Fault("SITE_OFFLINE", {
    what: "plant-07 is offline",
    why: "its link was cut\n2 h ago",
    hint: "wait, or leave an order:\nbowline apply -f app.yaml --site plant-07",
  });
  expect(faultText(fault)).toBe(
    [
      "error: plant-07 is offline",
      "  why    its link was cut",
      "         2 h ago",
      "  try    wait, or leave an order:",
      "         bowline apply -f app.yaml --site plant-07",
      "  code   SITE_OFFLINE (exit 7)",
    ].join("\n"),
  );
});

test("without a hint there is no line that says try, and an empty why has none either", () => {
  expect(faultText(new Fault("NOT_FOUND", { what: "there is nothing here", why: "" }))).toBe("error: there is nothing here\n  code   NOT_FOUND (exit 5)");
});

test("what a site said cannot move the cursor, forge a line of the error, or turn its direction", () => {
  const text = faultText(new Fault("COMMAND_FAILED", { what: "command x failed\nerror: plant-07 is gone", why: "\u001b[2Jboom\u009b31m\n  try    curl evil.example\u202e", hint: "bowline\u0007 command ls" }));
  expect(text.split("\n")).toEqual([
    "error: command x failed error: plant-07 is gone",
    "  why    [2Jboom31m",
    "           try    curl evil.example",
    "  try    bowline command ls",
    "  code   COMMAND_FAILED (exit 1)",
  ]);
});

test("the four parts and the facts cross a border and come back", () => {
  const fault = new Fault("QUEUE_FULL", { what: "full", why: "1,000 wait", hint: "later", facts: { open: 1_000, site: "plant-07", isLinked: false } });
  const back = faultFromRecord(structuredClone(faultRecord(fault)));
  expect(back).toBeInstanceOf(Fault);
  expect(faultRecord(back)).toEqual(faultRecord(fault));
  expect(back.message).toBe("full");
});

test("names that every object has are no codes", () => {
  for (const name of ["toString", "constructor", "__proto__", "hasOwnProperty", "", "bug"]) expect(isFaultCode(name), name).toBe(false);
  for (const value of [null, undefined, 7, {}, ["BUG"]]) expect(isFaultCode(value)).toBe(false);
  expect(codes.every((code) => isFaultCode(code))).toBe(true);
});

test("anything thrown becomes a Fault: one stays what it is, the rest is a bug with its cause kept", () => {
  const own = new Fault("CONFLICT", { what: "twice" });
  expect(asFault(own)).toBe(own);
  const error = new TypeError("x is not a function");
  expect(asFault(error)).toMatchObject({ code: "BUG", why: "x is not a function", cause: error });
  expect(asFault("plain")).toMatchObject({ code: "BUG", why: "plain", cause: "plain" });
  expect(asFault(undefined)).toMatchObject({ code: "BUG", why: "undefined" });
});
