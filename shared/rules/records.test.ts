// What a relay that was put back from a copy may take from a site as its records of commands, and what it refuses.
import { describe, expect, test } from "vitest";
import { parseRecords, recordsPerLetter } from "./records.ts";

const outcome = { state: "succeeded", what: "done", code: null, objects: [] };
const ended = { id: "a", state: "ended", header: "h", startedMs: 1, endedMs: 2, outcome };

describe("a site's records", () => {
  test("are taken as they are documented, other members aside", () => {
    const records = [{ id: "a", state: "ready", more: 1 }, { id: "b", state: "claimed", startedMs: 5 }, ended, { ...ended, startedMs: null }];
    expect(parseRecords(records)).toEqual([{ id: "a", state: "ready" }, { id: "b", state: "claimed", startedMs: 5 }, ended, { ...ended, startedMs: null }]);
    expect(parseRecords([])).toEqual([]);
  });

  test("keep no more of a header than a header may have", () => {
    expect(parseRecords([{ ...ended, header: "h".repeat(10_000) }])[0]).toMatchObject({ header: "h".repeat(4_096) });
  });

  test.each([
    ["no list", {}],
    ["too many", Array.from({ length: recordsPerLetter + 1 }, () => ended)],
    ["one without an id", [{ state: "ready" }]],
    ["one with an id that is too long", [{ id: "x".repeat(81), state: "ready" }]],
    ["a state that is unknown", [{ id: "a", state: "dreaming" }]],
    ["a claim without its time", [{ id: "a", state: "claimed" }]],
    ["an end without its time", [{ ...ended, endedMs: undefined }]],
    ["an end beyond the end of time", [{ ...ended, endedMs: 1e18 }]],
    ["an end without an outcome", [{ ...ended, outcome: undefined }]],
    ["an end that a site cannot say", [{ ...ended, outcome: { ...outcome, state: "superseded" } }]],
    ["nothing", [null]],
  ])("are refused with %s", (_what, value) => {
    expect(() => parseRecords(value)).toThrow(expect.objectContaining({ code: "ENVELOPE_MALFORMED" }));
  });
});
