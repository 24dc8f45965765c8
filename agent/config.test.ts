// The agent's settings, where a value is of the right form and still no use: it is refused at the start and named, instead of making the agent run in circles.
import { expect, test } from "vitest";
import { readAgentSettings } from "./config.ts";

test.each([
  [["--report-every", "0s"], "--report-every"],
  [["--report-every", "999ms"], "--report-every"],
  [["--report-every", "25d"], "--report-every"],
  [["--drain", "2h"], "--drain"],
  [["--drain", "30d"], "--drain"],
  [["--wait=maybe"], "--wait"],
  [["--rbac-only=2"], "--rbac-only"],
])("%j is refused", (argv, flag) => {
  expect(() => readAgentSettings(argv)).toThrow(expect.objectContaining({ code: "USAGE", message: expect.stringContaining(flag), hint: expect.stringMatching(/./) }));
});

test("what is good is taken as it is said", () => {
  const { settings } = readAgentSettings(["--report-every", "1s", "--drain", "0s", "--wait=yes", "--rbac-only=1"]);
  expect([settings.reportEveryMs, settings.drainMs, settings.wait, settings.rbacOnly]).toEqual([1_000, 0, true, true]);
  expect(readAgentSettings(["--wait=off", "--report-every", "7d"]).settings).toMatchObject({ wait: false, reportEveryMs: 604_800_000 });
});
