// The agent's entry as a process: JSON where JSON was asked for, and the manifest that its flags describe.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeSigningKeys } from "../../shared/kit/keys.ts";
import { joinTokenText, type JoinToken } from "../../shared/trust/join-token.ts";
import { makeTempDir } from "../kit/temp-dir.ts";

const entry = new URL("../../agent/main.ts", import.meta.url).pathname;
const agent = (...args: string[]) => spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", env: { PATH: process.env["PATH"] ?? "" } });

test("the doctor's checks and whose problem it is are one JSON document", () => {
  const dir = makeTempDir("doctor");
  try {
    const done = agent("doctor", "-o", "json", "--data", join(dir, "none"), "--kubeconfig", join(dir, "none.yaml"));
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

test("the manifest takes constrained impersonation where it was asked for, and the plain one elsewhere", () => {
  const token: JoinToken = {
    urls: ["https://relay.example.com:8443"],
    identity: [makeSigningKeys().publicKey],
    tls: { kind: "ca", ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
    trustRoot: "ab".repeat(32),
    id: "t-1",
    secret: Buffer.alloc(32, 7).toString("base64url"),
    name: "plant-07",
    labels: {},
    tier: "admin",
    setting: "relayed",
    binding: "exporter",
    expires: 1_767_000_000_000,
    uses: 1,
  };
  const verbs = (...flags: string[]): string[] => agent("manifest", "--token", joinTokenText(token), ...flags).stdout.match(/"impersonate(?::user-info)?"/g) ?? [];
  expect([...new Set(verbs())]).toEqual(['"impersonate"']);
  expect([...new Set(verbs("--constrained"))]).toEqual(['"impersonate:user-info"']);
});
