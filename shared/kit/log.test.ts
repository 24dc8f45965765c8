// Log lines: a constant message, facts as keys, and nothing under a key that could hold a secret.
import { expect, test } from "vitest";
import { createLogger, type LogOptions } from "./log.ts";

function logged(options: Partial<LogOptions> = {}): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, log: createLogger({ name: "relay", level: "info", pretty: false, write: (line) => void lines.push(line), ...options }) };
}

test("a line is JSON with level, time, name, facts and message", () => {
  const { lines, log } = logged();
  log.child({ site: "plant-07" }).warn({ code: "LINK_LOST", octets: 7 }, "the link ended");
  const line = JSON.parse(lines[0]!) as Record<string, unknown>;
  expect(line).toMatchObject({ level: "warn", name: "relay", site: "plant-07", code: "LINK_LOST", octets: 7, msg: "the link ended" });
  expect(Date.parse(String(line["time"]))).not.toBeNaN();
  expect(lines[0]!.endsWith("\n")).toBe(true);
});

test.each(["token", "secret", "authorization", "password", "key", "payload", "body", "secretKey", "kubeconfig"])(
  "what stands under %s is removed, whoever wrote it",
  (name) => {
    for (const pretty of [false, true]) {
      const { lines, log } = logged({ pretty });
      log.info({ [name]: "hunter2" }, "logged in");
      log.child({ [name]: "hunter2" }).info({ site: "a" }, "logged in");
      expect(lines).toHaveLength(2);
      expect(lines.join("")).not.toContain("hunter2");
    }
  },
);

test("for people a line has time, level, name, message, and facts that can be copied", () => {
  const { lines, log } = logged({ pretty: true });
  log.error({ why: "no route", file: "relay.db", n: 3 }, "cannot start");
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error relay: cannot start {2}why="no route" file=relay\.db n=3\n$/);
});

test("what is below the level is not written", () => {
  const { lines, log } = logged({ level: "warn" });
  log.info({}, "quiet");
  log.debug({}, "quieter");
  log.warn({}, "said");
  expect(lines).toHaveLength(1);
  logged({ level: "silent" }).log.error({}, "nothing");
});
