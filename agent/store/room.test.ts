// The agent's quotas over a real database: sums that are those of the rows whatever happened to them, watermarks by lane, room for a result before the start, and
// rings of history whose holes are counted.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStoreInline, query, type Operation, type Store } from "../../shared/kit/store.ts";
import type { SqlRow } from "../../shared/kit/store-query.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import type { NewStored } from "./commands.ts";
import type { NewEvent } from "./history.ts";
import * as agentModule from "./operations.ts";
import { migrations } from "./schema.ts";

function* rows(args: { readonly sql: string }): Operation<SqlRow[]> {
  return yield* query(args.sql);
}

/** Many events in one transaction: what is judged is the ring, not the disk. */
function* events(args: { readonly list: readonly NewEvent[] }): Operation<void> {
  for (const one of args.list) yield* agentModule.operations.postEvent(one);
}

const module = { ...agentModule, operations: { ...agentModule.operations, rows, events } } as const;
const MiB = 1_048_576;
const nowMs = 1_700_000_000_000;
const dayMs = 86_400_000;

let dir: string;
let store: Store<typeof module.operations>;
let order: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-agent-room-"));
  store = openStoreInline<typeof module.operations>({ file: join(dir, "agent.db"), module });
  order = 0;
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function put(id: string, octets = 10, rest: Partial<NewStored> = {}): Promise<string> {
  order += 1;
  const body = Buffer.alloc(octets, "x");
  const bodyHash = createHash("sha256").update(body).digest("hex");
  const keys = [{ key: id, isOwn: true }];
  return store.call("storeCommand", { id, relayEpoch: 1, ord: order, after: null, lane: "deploy", kind: "apply", cls: "write", header: "h", body, bodyHash, keys, nbfMs: 0, deadlineMs: nowMs + dayMs, kid: "k", seq: order, floor: 0, fence: 1, nowMs, ...rest });
}

const claim = async (): Promise<string | null> => (await store.call("claimCommand", { nowMs, errorMs: 0 }))?.id ?? null;
const settle = (id: string, octets = 10): Promise<void> => store.call("settleCommand", { id, outcome: { state: "succeeded", what: "done", code: null, objects: Array.from({ length: Math.ceil(octets / 400) }, () => ({ ref: "r".repeat(380), result: "created" as const, why: "" })) }, startedMs: nowMs, nowMs });
const leaseAll = (letters = 1_000) => store.call("leaseOwn", { letters, octets: 64 * MiB, octetsMax: 64 * MiB, fence: 1, nowMs: nowMs + 400 * dayMs, siteId: "s_x", epoch: 1, kid: "00" });
const one = (id: string, atMs: number, kind: string, isFailure = false, chars = 400): NewEvent => ({ id, atMs, event: kind, what: "w".repeat(chars), isFailure });
const event = (...args: Parameters<typeof one>): Promise<void> => store.call("postEvent", one(...args));
const many = (count: number, make: (n: number) => NewEvent): Promise<void> => store.call("events", { list: Array.from({ length: count }, (_value, n) => make(n)) });
const refused = { code: "QUEUE_FULL" };

/** The sums as the migration of a database that was there before makes them: from the rows. */
async function counted(): Promise<unknown> {
  const parts = await store.call("rows", { sql: "SELECT part, octets FROM room WHERE part NOT IN ('limit', 'reserved') ORDER BY part" });
  await store.call("rows", { sql: "UPDATE room SET octets = 0 WHERE part NOT IN ('limit', 'reserved') RETURNING part" });
  await store.call("rows", { sql: /^UPDATE room SET octets = octets \+ COALESCE[^;]+/m.exec(migrations.join("\n"))![0] });
  const anew = await store.call("rows", { sql: "SELECT part, octets FROM room WHERE part NOT IN ('limit', 'reserved') ORDER BY part" });
  expect(parts).toEqual(anew);
  return Object.fromEntries(parts.map(({ part, octets }) => [part, Number(octets)]));
}

describe("the sums", () => {
  test("are those of the rows after every step of a command's life, and reserve nothing at its end", async () => {
    await put("a", 5_000);
    await put("b", 7_000, { kind: "scale", lane: "interactive" });
    expect(await counted()).toMatchObject({ inbox: 5_000 + 7_000 + 2 * (768 + 1), results: 0, rest: 0 });
    expect([await claim(), await claim()]).toEqual(["a", "b"]);
    expect(await store.call("room", null)).toMatchObject({ reserved: 2 * (262_144 + 32_768) + 2 * 8_192 });
    await store.call("markResolved", { id: "a", resolved: "r".repeat(300) });
    expect(await counted()).toMatchObject({ inbox: 12_000 + 2 * 769 + 300 });
    await settle("a", 50_000);
    await settle("b");
    expect(await counted()).toMatchObject({ inbox: 0 });
    expect(await store.call("room", null)).toMatchObject({ reserved: 0 });
    const letters = await leaseAll();
    await store.call("ownUnsendable", { id: "result-a", fence: 1, nowMs, why: "too large" });
    await counted();
    for (const { id } of letters) await store.call("ownReceipt", { id, fence: 1, nowMs });
    await store.call("postReport", { id: "r1", madeMs: nowMs, report: { a: 1 } });
    await counted();
    for (const { id } of await leaseAll()) await store.call("ownReceipt", { id, fence: 1, nowMs });
    await counted();
    await store.call("purgeCommands", { nowMs: nowMs + dayMs, errorMs: 0 });
    await counted();
    await store.call("purgeCommands", { nowMs: nowMs + 90 * dayMs, errorMs: 0 });
    expect(await counted()).toEqual({ history: 0, inbox: 0, rest: 0, results: 0 });
  });

  test("begin with 256 MiB, take the settings' whole, and write nothing when that is known", async () => {
    expect(await store.call("room", null)).toMatchObject({ limit: 256 * MiB, shed: [] });
    await store.call("setRoom", { storeBytes: 32 * MiB });
    const commits = await store.call("rows", { sql: "SELECT n FROM store_commits" });
    await store.call("setRoom", { storeBytes: 32 * MiB });
    expect(await store.call("rows", { sql: "SELECT n FROM store_commits" })).toEqual(commits);
    expect(await store.call("room", null)).toMatchObject({ limit: 32 * MiB });
  });
});

describe("what comes in", () => {
  beforeEach(() => store.call("setRoom", { storeBytes: 32 * MiB }));
  const fill = (part: number): Promise<unknown> => store.call("rows", { sql: `UPDATE room SET octets = ${Math.round(part * 32 * MiB)} WHERE part = 'rest' RETURNING part` });

  test.each([
    [0.69, []],
    [0.71, ["bulk"]],
    [0.86, ["bulk", "deploy"]],
    [0.96, ["bulk", "deploy", "interactive"]],
  ])("at %f of the whole sheds %j and nothing else, and is taken again when there is room", async (part, shed) => {
    await fill(part);
    expect((await store.call("room", null)).shed).toEqual(expect.arrayContaining(shed));
    for (const lane of ["bulk", "deploy", "interactive", "control"] as LaneName[]) {
      const taken = put(lane, 10, { lane });
      if (shed.includes(lane)) await expect(taken).rejects.toMatchObject(refused);
      else expect(await taken).toBe("stored");
    }
    await fill(0.1);
    for (const lane of shed as LaneName[]) expect(await put(lane, 10, { lane })).toBe("stored");
  });

  test("fills two fifths with commands that are open, and no more until one has ended", async () => {
    for (const id of ["a", "b", "c"]) await put(id, 4 * MiB);
    await expect(put("d", MiB)).rejects.toMatchObject({ ...refused, why: "they have 12.0 MiB of 12.8 MiB" });
    expect(await claim()).toBe("a");
    await settle("a");
    await store.call("ownReceipt", { id: "result-a", fence: 1, nowMs });
    expect(await put("d", MiB)).toBe("stored");
  });

  test("a cancel is always taken", async () => {
    await put("a");
    await fill(1.2);
    expect(await store.call("cancelCommand", { id: "a", cls: "write", operator: "ann", deadlineMs: nowMs + dayMs, kid: "k", seq: 99, floor: 0, fence: 1, nowMs })).toBe("outcome");
  });
});

describe("a result", () => {
  beforeEach(() => store.call("setRoom", { storeBytes: 32 * MiB }));

  test("has its room before its command starts: while others have it, commands wait and start when it is free", async () => {
    for (let n = 0; n < 20; n += 1) await put(`c${n}`);
    const claimed: string[] = [];
    for (let id = await claim(); id !== null; id = await claim()) claimed.push(id);
    expect(claimed).toHaveLength(Math.floor((0.2 * 32 * MiB) / (2 * 262_144 + 8_192 + 420))); // a claim's own letter is counted as well
    await settle("c0");
    for (const { id } of await leaseAll()) await store.call("ownReceipt", { id, fence: 1, nowMs });
    expect(await claim()).toBe("c12");
  });

  test("is never refused: those that the relay does not take pile up beyond their share, and only starts wait", async () => {
    for (let n = 0; n < 12; n += 1) await put(`c${n}`);
    for (let n = 0; n < 12; n += 1) expect(await claim()).toBe(`c${n}`);
    for (let n = 0; n < 12; n += 1) await settle(`c${n}`, 400_000);
    await put("late", 10, { deadlineMs: nowMs - 1 });
    await put("next");
    const { results } = await store.call("room", null);
    expect([results > 0.15 * 32 * MiB, await claim()]).toEqual([true, results > 0.2 * 32 * MiB - 2 * 262_144 - 8_192 ? null : "next"]);
    expect((await leaseAll()).map(({ id }) => id)).toContain("result-late");
  });

  test("that the relay has keeps its details for an hour only while results have room", async () => {
    const done = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n += 1) {
        await put(`c${n}`);
        await claim();
        await settle(`c${n}`, 250_000);
      }
      for (const { id } of await leaseAll()) await store.call("ownReceipt", { id, fence: 1, nowMs });
      await store.call("purgeCommands", { nowMs: nowMs + 1_000, errorMs: 0 });
    };
    const states = async (): Promise<unknown> => (await store.call("rows", { sql: "SELECT state, COUNT(*) AS n FROM commands GROUP BY state" })).map(({ state, n }) => [state, Number(n)]);
    await done(0, 6);
    expect(await states()).toEqual([["reported", 6]]);
    for (const [from, to] of [[6, 10], [10, 14]] as const) await done(from, to);
    expect(await states()).toEqual([["purged", 14]]);
  });
});

describe("history", () => {
  const waiting = async () => (await leaseAll()).filter(({ kind }) => kind === "event").map(({ id, body }) => ({ id, ...(JSON.parse(Buffer.from(body!).toString("utf8")) as { atMs: number; event: string; what: string; lost?: number }) }));

  test("of a link that flapped for a month keeps the first and the newest, one record counts the rest, and no command's end is pushed out", async () => {
    await event("first", nowMs, "link-up");
    await event("end", nowMs + 1, "command");
    await event("failed", nowMs + 2, "command", true);
    await many(500, (n) => one(`flap-${n + 1}`, nowMs + (n + 1) * 3_600_000, n % 2 === 0 ? "link-down" : "link-up"));
    const kept = await waiting();
    const gaps = kept.filter(({ event: kind }) => kind === "gap");
    expect(gaps).toMatchObject([{ lost: 450, atMs: nowMs + 3_600_000, what: "450 link events between 2023-11-14 23:13 and 2023-12-03 16:13 UTC were not kept" }]);
    expect(kept.filter(({ event: kind }) => kind !== "gap").map(({ id }) => id)).toEqual(["first", "end", "failed", ...Array.from({ length: 50 }, (_, n) => `flap-${451 + n}`)]);
  });

  test("a record that is on its way stays what it is: what falls out meanwhile is counted in another, and both together count all", async () => {
    await many(60, (n) => one(`a${n}`, nowMs + n, "link-up"));
    const left = await leaseAll();
    expect(left.filter(({ id }) => id.startsWith("gap-link"))).toHaveLength(1);
    await many(60, (n) => one(`b${n}`, nowMs + 100 + n, "link-up"));
    await store.call("settleOwnDoubts", { inDoubt: left.map(({ id }) => id), held: [] });
    await event("c", nowMs + 300, "link-up"); // both wait now: they become one
    const kept = await waiting();
    const gaps = kept.filter(({ event: kind }) => kind === "gap");
    expect(gaps).toHaveLength(1);
    expect(gaps[0]!.lost! + kept.length - 1).toBe(121);
  });

  test("every failure is kept within the share; beyond it other rings give way first, then the oldest failures, each with its record", async () => {
    await store.call("setRoom", { storeBytes: 32 * MiB });
    await many(60, (n) => one(`ok${n}`, nowMs + n, "command"));
    await many(400, (n) => one(`bad${n}`, nowMs + n, "command", true, 3_500));
    expect((await store.call("rows", { sql: "SELECT COUNT(*) AS n FROM outbox WHERE ring = 'failure'" }))[0]!["n"]).toBe(400);
    await store.call("rows", { sql: `UPDATE room SET octets = octets + ${5 * MiB} WHERE part = 'history' RETURNING part` });
    await event("bad400", nowMs + 400, "command", true);
    const counts = await store.call("rows", { sql: "SELECT ring, COUNT(*) AS n FROM outbox WHERE kind = 'event' GROUP BY ring" });
    expect(counts.map(({ ring }) => ring)).toEqual(["failure", "gap-command", "gap-failure"]);
    const { history } = await store.call("room", null);
    expect(history).toBeLessThanOrEqual(0.2 * 0.95 * 32 * MiB);
    const lost = Object.fromEntries(counts.map(({ ring, n }) => [ring, Number(n)]));
    const records = await store.call("rows", { sql: "SELECT ring, body FROM outbox WHERE ring LIKE 'gap-%' ORDER BY ring" });
    expect(records.map(({ body }) => (JSON.parse(Buffer.from(body as Uint8Array).toString("utf8")) as { lost: number }).lost)).toEqual([60, 401 - lost["failure"]!]);
  });

  test("is kept for thirty days, and what is older is counted", async () => {
    await event("old", nowMs, "command", true);
    await event("young", nowMs + 20 * dayMs, "command", true);
    await store.call("purgeHistory", { nowMs: nowMs + 31 * dayMs });
    expect(await waiting()).toMatchObject([{ id: "young" }, { event: "gap", lost: 1 }]);
  });
});
