// Data folders that lost a part, or whose parts belong to different owners, are errors with a way out, never a first start. Real files, real databases.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openAgentFolder } from "../agent/folder.ts";
import { currentTrust, openRelayFolder } from "../relay/setup.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-folders-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

beforeAll(async () => {
  for (const name of ["relay-a", "relay-b"]) await (await openRelayFolder(join(dir, name))).store.close();
  for (const name of ["agent-a", "agent-b"]) {
    const folder = await openAgentFolder(join(dir, name));
    await folder.store.call("putFacts", { facts: { site: folder.siteId } });
    await folder.store.close();
  }
});

test("a folder opens again with the same keys", async () => {
  const first = await openAgentFolder(join(dir, "agent-a"));
  await first.store.close();
  const second = await openAgentFolder(join(dir, "agent-a"));
  await second.store.close();
  expect([second.siteId, second.agentEpoch]).toEqual([first.siteId, first.agentEpoch]);
});

test("a relay whose keys belong to another database is refused", async () => {
  copyFileSync(join(dir, "relay-b", "identity.key"), join(dir, "relay-a", "identity.key"));
  const folder = await openRelayFolder(join(dir, "relay-a"));
  await expect(currentTrust(folder.store, folder.keys, Date.now())).rejects.toMatchObject({ code: "FILE_INVALID", hint: expect.stringContaining("backup") });
  await folder.store.close();
});

test("an agent whose keys belong to another database is refused", async () => {
  copyFileSync(join(dir, "agent-b", "identity.key"), join(dir, "agent-a", "identity.key"));
  await expect(openAgentFolder(join(dir, "agent-a"))).rejects.toMatchObject({ code: "FILE_INVALID" });
});

test.each([["relay", openRelayFolder], ["agent", openAgentFolder]] as const)("a %s whose key file is gone makes no new keys", async (name, open) => {
  rmSync(join(dir, `${name}-b`, "identity.key"));
  await expect(open(join(dir, `${name}-b`))).rejects.toMatchObject({ code: "FILE_MISSING", hint: expect.stringContaining("backup") });
});
