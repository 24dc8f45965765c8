// Commands at the agent over a real database: what a restart finds, stepped in this thread.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStoreInline, type Store } from "../../shared/kit/store.ts";
import type { NewStored } from "./commands.ts";
import * as agentModule from "./operations.ts";

let dir: string;
let store: Store<agentModule.AgentOperations>;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-agent-store-"));
  store = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module: agentModule });
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function command(id: string, rest: Partial<NewStored> = {}): NewStored {
  return { id, ord: 1, after: null, kind: "job", body: Buffer.from("{}"), bodyHash: `hash of ${id}`, deadlineMs: 10_000, kid: "k", seq: Number(id.replaceAll(/\D/g, "")) + 1, nowMs: 1_000, ...rest };
}

describe("a restart", () => {
  test("counts against a claim only when the agent did not stop cleanly before it", async () => {
    await store.call("storeCommand", command("c-1"));
    await store.call("claimCommand", { nowMs: 2_000, errorMs: 0 });
    const restarts = async (): Promise<number> => (await store.call("reclaimCommands", null))[0]!.uncleanRestarts;
    expect(await restarts()).toBe(1);
    await store.call("markCleanStop", null);
    expect(await restarts()).toBe(1);
    expect(await restarts()).toBe(2); // the mark was spent by the start before
    expect((await store.call("reclaimCommands", null))[0]).toMatchObject({ attempts: 5, uncleanRestarts: 3 });
  });
});
