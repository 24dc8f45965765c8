// The agent's entry as a program meets it: JSON where JSON was asked for.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeTempDir } from "./kit/temp-dir.ts";

test("the doctor's checks and whose problem it is are one JSON document", () => {
  const dir = makeTempDir("doctor");
  try {
    const entry = new URL("../agent/main.ts", import.meta.url).pathname;
    const done = spawnSync(process.execPath, [entry, "doctor", "-o", "json", "--data", join(dir, "none"), "--kubeconfig", join(dir, "none.yaml")], { encoding: "utf8", env: { PATH: process.env["PATH"] ?? "" } });
    expect(done.status).toBe(1);
    expect(JSON.parse(done.stdout)).toMatchObject({
      apiVersion: "bowline/v1",
      kind: "AgentDoctor",
      isOk: false,
      problemAt: "cluster",
      checks: [
        { name: "folder", isOk: false, culprit: "token" },
        { name: "cluster", isOk: false, culprit: "cluster" },
      ],
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
