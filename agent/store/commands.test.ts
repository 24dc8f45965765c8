// Commands at the agent over a real database: what may start and in which order, what a restart finds, what an outcome leaves, what stays as a tombstone.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandOutcome } from "../../shared/api.ts";
import { openStoreInline, query, type Operation, type Store } from "../../shared/kit/store.ts";
import type { SqlRow } from "../../shared/kit/store-query.ts";
import type { NewStored } from "./commands.ts";
import * as agentModule from "./operations.ts";

function* rows(args: { readonly sql: string }): Operation<SqlRow[]> {
  return yield* query(args.sql);
}

const module = { ...agentModule, operations: { ...agentModule.operations, rows } } as const;
const dayMs = 86_400_000;

let dir: string;
let store: Store<typeof module.operations>;
let order: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-agent-store-"));
  store = openStoreInline<typeof module.operations>({ file: join(dir, "agent.db"), module });
  order = 0;
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function put(id: string, rest: Partial<NewStored> = {}): Promise<string> {
  order += 1;
  const body = Buffer.from(`body of ${id}`);
  const bodyHash = createHash("sha256").update(body).digest("hex");
  return store.call("storeCommand", {
    id,
    relayEpoch: 1,
    ord: order,
    after: null,
    lane: "deploy",
    kind: "job",
    cls: "write",
    header: `header of ${id}`,
    body,
    bodyHash,
    keys: [{ key: id, isOwn: true }],
    nbfMs: 0,
    deadlineMs: 100_000,
    kid: "k",
    seq: order,
    floor: 0,
    fence: 1,
    nowMs: 1_000,
    ...rest,
  });
}

const claim = async (nowMs = 2_000, errorMs = 0): Promise<string | null> => (await store.call("claimCommand", { nowMs, errorMs }))?.id ?? null;
const succeeded: CommandOutcome = { state: "succeeded", what: "done", code: null, objects: [] };
const settle = (id: string, outcome = succeeded): Promise<void> => store.call("settleCommand", { id, outcome, startedMs: 2_000, nowMs: 3_000 });
const lease = (fence = 1): ReturnType<typeof leaseAll> => leaseAll(fence);
const leaseAll = (fence: number, nowMs = 5_000) => store.call("leaseOwn", { letters: 100, octets: 1_048_576, octetsMax: 8_388_608, fence, nowMs, siteId: "s_x", epoch: 1, kid: "00" });
const bodyOf = (letter: { body: Uint8Array | null }): Record<string, unknown> => JSON.parse(Buffer.from(letter.body!).toString("utf8")) as Record<string, unknown>;

describe("a command may start", () => {
  test("at once beside thousands that wait in one namespace: whoever looks for it does not walk them all for each", async () => {
    await put("c0", { keys: [{ key: "c0", isOwn: true }, { key: "ns", isOwn: false }] });
    const others = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
    const columns = "relay_epoch, lane, kind, cls, header, body, body_hash, state, nbf_ms, deadline_ms, stored_ms, attempts, unclean_restarts, has_effect";
    await store.call("rows", { sql: `${others} INSERT INTO commands (id, ord, ${columns}) SELECT 'c' || i, i + 1, ${columns} FROM n, commands WHERE id = 'c0'` });
    await store.call("rows", { sql: `${others} INSERT INTO command_targets (command, okey, is_own) SELECT 'c' || i, 'c' || i, 1 FROM n UNION ALL SELECT 'c' || i, 'ns', 0 FROM n` });
    // Seconds for all of them; when each look compared all with all, minutes for one.
    for (let index = 0; index < 20; index += 1) expect(await claim()).toBe(`c${index}`);
  });

  test("only behind those of lower order that touch the same things, whatever its letter names", async () => {
    const keys = (...names: string[]): Partial<NewStored> => ({ keys: names.map((name) => ({ key: name.replace("~", ""), isOwn: !name.startsWith("~") })) });
    await put("a", keys("x"));
    await put("b", keys("y", "x"));
    await put("c", keys("z", "~ns"));
    await put("d", keys("w", "~ns"));
    await put("e", keys("ns"));
    expect([await claim(), await claim(), await claim(), await claim()]).toEqual(["a", "c", "d", null]);
    await settle("a");
    expect([await claim(), await claim()]).toEqual(["b", null]);
    await settle("c");
    await settle("d");
    expect(await claim()).toBe("e");
  });

  test("not before its time, and only when its deadline is surely ahead", async () => {
    await put("later", { nbfMs: 5_000 });
    await put("soon", { deadlineMs: 9_000 });
    expect(await claim(5_500, 1_000)).toBe("soon");
    expect(await claim(5_500, 1_000)).toBeNull(); // it might be 4,500 there
    expect(await claim(6_100, 1_000)).toBe("later");
    await put("unclear", { deadlineMs: 10_000 });
    expect(await claim(9_500, 600)).toBeNull();
    expect(await claim(10_700, 600)).toBeNull();
    expect(await store.call("rows", { sql: "SELECT state FROM commands WHERE id = 'unclear'" })).toEqual([{ state: "outcome" }]);
  });

  test("not when its body is not what was verified: it ends and says so", async () => {
    await put("a");
    await store.call("rows", { sql: "UPDATE commands SET body = x'00' WHERE id = 'a' RETURNING id" });
    await put("b");
    expect(await claim()).toBe("b");
    const result = (await lease()).find(({ id }) => id === "result-a")!;
    expect(bodyOf(result)).toMatchObject({ outcome: { state: "failed", code: "STORE_CORRUPT" } });
  });
});

describe("an outcome", () => {
  test("leaves a result with the command's header and an event, in the same transaction", async () => {
    await put("a");
    await claim();
    await settle("a");
    const letters = await lease();
    expect(letters.map(({ id }) => id)).toEqual(["claim-a", "result-a", "outcome-a"]);
    expect(bodyOf(letters[1]!)).toEqual({ kind: "result", command: "a", header: "header of a", startedMs: 2_000, endedMs: 3_000, outcome: succeeded });
    expect(bodyOf(letters[2]!)).toEqual({ kind: "event", atMs: 3_000, event: "command", what: "a succeeded: done" });
  });

  test("of any size fits a letter", async () => {
    await put("a");
    await claim();
    await settle("a", { ...succeeded, objects: Array.from({ length: 1_000 }, (_value, index) => ({ ref: `ConfigMap/c-${index}`, result: "created" as const, why: "y".repeat(10_000) })) });
    const result = (await lease()).find(({ id }) => id === "result-a")!;
    expect(result.body!.length).toBeLessThan(270_000);
  });
});

describe("a result that the relay refuses", () => {
  beforeEach(async () => {
    await put("a");
    await claim();
    await settle("a");
    await lease(1);
  });

  test("for good is kept and offered again later; what else is refused for good goes", async () => {
    const refuse = (id: string) => store.call("ownRefused", { id, fence: 1, nowMs: 5_000 });
    expect([await refuse("result-a"), await refuse("claim-a"), await refuse("outcome-a")]).toEqual(["kept", "dropped", "dropped"]);
    expect(await lease(1)).toEqual([]);
    const later = await leaseAll(2, 5_000 + 3_600_000);
    expect(later.map(({ id }) => id)).toEqual(["result-a"]);
    expect(await store.call("ownCounts", null)).toMatchObject({ waiting: 1, refused: 1 });
  });

  test("settles nothing when an older link says it", async () => {
    await store.call("ownReceipt", { id: "result-a", fence: 0, nowMs: 5_000 });
    await store.call("ownRefused", { id: "claim-a", fence: 0, nowMs: 5_000 });
    expect(await store.call("ownInDoubt", null)).toEqual(["claim-a", "result-a", "outcome-a"]);
  });

  test("that cannot be sent becomes a short one that says so", async () => {
    await store.call("ownUnsendable", { id: "result-a", fence: 1, nowMs: 5_000, why: "too large" });
    const again = await lease(1);
    expect(again.map(({ id }) => id)).toEqual(["result-a"]);
    expect(bodyOf(again[0]!)).toMatchObject({ command: "a", header: "header of a", outcome: { state: "succeeded", what: "done (its details cannot be sent: too large)" } });
    await store.call("ownUnsendable", { id: "result-a", fence: 1, nowMs: 5_000, why: "again" });
    expect(await lease(1)).toEqual([]); // kept for later, in nobody's way
    await store.call("ownUnsendable", { id: "claim-a", fence: 1, nowMs: 5_000, why: "x" });
    expect(await store.call("ownCounts", null)).toMatchObject({ waiting: 2 });
  });
});

describe("what is reported", () => {
  test("leaves a tombstone that knows the command again until its deadline is 30 days past", async () => {
    await put("a", { deadlineMs: 10_000 });
    await claim();
    await settle("a");
    await lease(1);
    await store.call("ownReceipt", { id: "result-a", fence: 1, nowMs: 5_000 });
    expect(await store.call("rows", { sql: "SELECT state, body FROM commands" })).toEqual([{ state: "reported", body: null }]);
    await store.call("purgeCommands", { nowMs: 3_604_000, errorMs: 0 });
    expect(await store.call("rows", { sql: "SELECT state, body, header, outcome FROM commands" })).toEqual([{ state: "purged", body: null, header: null, outcome: JSON.stringify(succeeded) }]);
    expect(await put("a", { deadlineMs: 10_000 })).toBe("known");
    await expect(put("a", { bodyHash: "another" })).rejects.toThrow(expect.objectContaining({ code: "CONFLICT" }));
    await store.call("purgeCommands", { nowMs: 10_000 + 30 * dayMs + 500, errorMs: 1_000 });
    expect(await store.call("openCommandCount", null)).toBe(0);
    expect(await store.call("heldCommands", { ids: ["a"] })).toEqual(["a"]);
    await store.call("purgeCommands", { nowMs: 10_000 + 30 * dayMs + 2_000, errorMs: 1_000 });
    expect(await store.call("heldCommands", { ids: ["a"] })).toEqual([]);
  });

  test("is purged a few rows at a time", async () => {
    for (let index = 0; index < 130; index += 1) await put(`a-${index}`);
    await store.call("rows", { sql: `UPDATE commands SET state = 'reported', ended_ms = 3000, outcome = '${JSON.stringify(succeeded)}' RETURNING id` });
    await store.call("purgeCommands", { nowMs: 3_604_000, errorMs: 0 });
    expect(await store.call("rows", { sql: "SELECT state, COUNT(*) AS n FROM commands GROUP BY state ORDER BY state" })).toEqual([{ state: "purged", n: 100 }, { state: "reported", n: 30 }]);
  });

  test("what it left in the cluster is due a day after its end, and its tombstone stays until that is removed", async () => {
    await put("a", { deadlineMs: 10_000 });
    await claim();
    await store.call("markEffect", { id: "a", cleanup: "a Job" });
    await settle("a");
    const due = (nowMs: number) => store.call("dueLeftovers", { nowMs, limit: 10 });
    expect(await due(90 * dayMs)).toEqual([]); // the relay does not have its result
    await lease(1);
    await store.call("ownReceipt", { id: "result-a", fence: 1, nowMs: 5_000 });
    expect([await due(3_000 + dayMs), await due(3_001 + dayMs)]).toEqual([[], [{ id: "a", cleanup: "a Job" }]]);
    for (let round = 0; round < 2; round += 1) await store.call("purgeCommands", { nowMs: 90 * dayMs, errorMs: 0 });
    expect(await due(90 * dayMs)).toHaveLength(1);
    await store.call("leftoverRemoved", { id: "a" });
    await store.call("purgeCommands", { nowMs: 90 * dayMs, errorMs: 0 });
    expect(await store.call("heldCommands", { ids: ["a"] })).toEqual([]);
  });
});

describe("a restart", () => {
  test("counts against a claim only when the agent did not stop cleanly before it", async () => {
    await put("a");
    await claim();
    const restarts = async (): Promise<number> => (await store.call("reclaimCommands", null))[0]!.uncleanRestarts;
    expect(await restarts()).toBe(1);
    await store.call("markCleanStop", null);
    expect(await restarts()).toBe(1);
    expect(await restarts()).toBe(2); // the mark was spent by the start before
    expect((await store.call("reclaimCommands", null))[0]).toMatchObject({ attempts: 5, uncleanRestarts: 3 });
  });
});

describe("a signer's numbers", () => {
  test("are taken once, in any order, and those that the signer says it never sends again are forgotten and refused", async () => {
    const taken = async (seq: number, floor = 0): Promise<string> => put(`c-${seq}`, { seq, floor }).then(() => "taken", (error: { code: string }) => error.code);
    expect([await taken(10), await taken(7), await taken(12, 6), await taken(9)]).toEqual(["taken", "taken", "taken", "taken"]);
    expect(await store.call("rows", { sql: "SELECT seq FROM seen ORDER BY seq" })).toEqual([7, 9, 10, 12].map((seq) => ({ seq })));
    expect(await taken(20, 9)).toBe("taken");
    expect(await store.call("rows", { sql: "SELECT seq FROM seen ORDER BY seq" })).toEqual([10, 12, 20].map((seq) => ({ seq })));
    expect([await taken(8), await taken(11), await taken(21, 3), await taken(6)]).toEqual(["ENVELOPE_REPLAYED", "taken", "taken", "ENVELOPE_REPLAYED"]);
  });
});
