// Joining, as far as no relay is needed to judge it: what a person who breaks it off is told. The rest of enrol is proved with a relay in test/e2e.
import { expect, test } from "vitest";
import { interruptedJoin } from "./enrol.ts";

test("who interrupts a join is told what works then: the same command before the relay's answer, the agent itself after it", () => {
  expect(interruptedJoin("/data", false)).toMatchObject({ code: "INTERRUPTED", hint: "run the same command again" });
  expect(interruptedJoin("/data", true)).toMatchObject({ code: "INTERRUPTED", hint: expect.stringContaining("bowline agent run --data /data") });
});
