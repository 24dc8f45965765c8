// Delivery at the relay with real SQLite: what is accepted has its place, leaves in order and once, ends once and by the word of who may say so. delivery.md
// sections 2 to 4; the operations are the product's, a transaction each.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openStoreInline, type Store } from "../../shared/kit/store.ts";
import type { CommandRow, NewCommand } from "./commands.ts";
import type { SiteLetter } from "./delivery.ts";
import { migrations, operations, type RelayOperations } from "./operations.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-relay-store-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
let store: Store<RelayOperations>;
const hourMs = 3_600_000;
let nowMs = 0;

async function addSite(name: string): Promise<string> {
  const site = `s_${name}`;
  await store.call("putJoinToken", {
    id: name,
    secret: Buffer.alloc(32),
    name,
    labels: "{}",
    tier: "admin",
    binding: "exporter",
    uses: 1,
    operator: "ann",
    nowMs,
    expiresMs: nowMs + hourMs,
  });
  await store.call("joinSite", { token: name, site, signKey: name, boxKey: "b", name, labels: {}, boot: "b1", dial: 1, fence: 1, nowMs });
  await store.call("approveSite", { id: site, name, statement: Buffer.alloc(1), operator: "ann", nowMs });
  return site;
}

beforeEach(async () => {
  store = openStoreInline<RelayOperations>({ file: join(dir, `${(files += 1)}.db`), module: { operations, migrations } });
  nowMs = 1_000_000;
  await addSite("plant");
  return () => store.close();
});

const plant = "s_plant";
const command = (id: string, change: Partial<NewCommand> = {}): NewCommand => ({
  id,
  siteName: "plant",
  kind: "apply",
  what: `apply ${id}`,
  orderingKey: id,
  body: Buffer.from(id),
  operator: "ann",
  deadlineMs: nowMs + hourMs,
  nowMs,
  idempotencyKey: null,
  bodyHash: `hash of ${id}`,
  ...change,
});
const submit = (id: string, change: Partial<NewCommand> = {}): Promise<CommandRow> => store.call("submitCommand", command(id, change));
const stateOf = async (id: string): Promise<string> => (await store.call("commandRow", { id })).state;
const lease = (letters = 32, octets = 8_388_608) => store.call("leaseCommands", { site: plant, letters, octets, fence: 1, nowMs });
const leaseIds = async (letters?: number, octets?: number): Promise<string[]> => (await lease(letters, octets)).map(({ id }) => id);
const receipt = (id: string, status: "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed" = "committed") =>
  store.call("settleLetter", { site: plant, id, status, nowMs });
const take = (id: string, letter: SiteLetter, fence = 1) => store.call("takeSiteLetter", { site: plant, id, fence, letter, nowMs });
const result = (of: string, state: "succeeded" | "failed" = "succeeded"): SiteLetter => ({
  kind: "result",
  command: of,
  startedMs: 5,
  endedMs: 9,
  outcome: { state, what: `it ${state}`, code: null, objects: [] },
});
const eventKinds = async (): Promise<string[]> => (await store.call("eventsOf", { site: plant, limit: 100 })).map(({ kind }) => kind);

describe("what leaves", () => {
  test("is marked offered before its first octet, in order, signed with a number of its own, and not taken again", async () => {
    for (const id of ["a", "b", "c"]) await submit(id);
    const first = await lease(2);
    expect(first.map(({ id, ord, seq }) => ({ id, ord, seq }))).toEqual([
      { id: "a", ord: 1, seq: 1 },
      { id: "b", ord: 2, seq: 2 },
    ]);
    expect([await stateOf("a"), await stateOf("c")]).toEqual(["offered", "queued"]);
    expect((await lease()).map(({ id, seq }) => `${id} ${seq}`)).toEqual(["c 3"]);
    expect(await leaseIds()).toEqual([]);
  });

  test("keeps its order inside a key, naming what must be settled before it; other keys go by", async () => {
    await submit("a1", { orderingKey: "web" });
    await submit("a2", { orderingKey: "web" });
    await submit("b1", { orderingKey: "db" });
    const leased = await lease();
    expect(leased.map(({ id, after }) => [id, after])).toEqual([
      ["a1", null],
      ["a2", "a1"],
      ["b1", null],
    ]);
    await receipt("a1");
    await take("r1", result("a1"));
    await submit("a3", { orderingKey: "web" });
    expect((await lease()).map(({ id, after }) => [id, after])).toEqual([["a3", "a2"]]);
  });

  test("waits behind a predecessor that cannot go, and goes when that one goes", async () => {
    await submit("a1", { orderingKey: "web" });
    await submit("a2", { orderingKey: "web" });
    expect(await leaseIds(1)).toEqual(["a1"]);
    await receipt("a1", "storage");
    expect(await leaseIds()).toEqual([]);
    expect(await store.call("commandRow", { id: "a2" })).toMatchObject({ state: "blocked", why: "waits for a1" });
    expect(await store.call("unblockCommands", { site: plant, nowMs })).toBe(2);
    expect((await lease()).map(({ id, after }) => [id, after])).toEqual([
      ["a1", null],
      ["a2", "a1"],
    ]);
  });

  test("has not expired: what is over ends here and does not leave", async () => {
    await submit("a", { deadlineMs: nowMs + 10 });
    await submit("b");
    nowMs += 11;
    expect(await leaseIds()).toEqual(["b"]);
    expect(await stateOf("a")).toBe("expired");
    expect(await eventKinds()).toContain("command");
  });
});

describe("the agent's word", () => {
  test("receipt, claim, result: each is one step, with the times of both clocks", async () => {
    await submit("a");
    await leaseIds();
    await receipt("a");
    expect(await store.call("commandRow", { id: "a" })).toMatchObject({ state: "stored", offeredMs: nowMs, storedMs: nowMs });
    await take("claim-a", { kind: "claim", command: "a", startedMs: 5 });
    expect(await stateOf("a")).toBe("running");
    nowMs += 100;
    await take("result-a", result("a"));
    expect(await store.call("commandRow", { id: "a" })).toMatchObject({ state: "succeeded", startedSiteMs: 5, endedSiteMs: 9, endedMs: nowMs });
    expect(JSON.parse((await store.call("commandRow", { id: "a" })).outcome!)).toMatchObject({ what: "it succeeded" });
  });

  test("a result may overtake the receipt and the claim: these change nothing after it", async () => {
    await submit("a");
    await leaseIds();
    await take("result-a", result("a", "failed"));
    await receipt("a");
    await take("claim-a", { kind: "claim", command: "a", startedMs: 5 });
    expect(await stateOf("a")).toBe("failed");
    expect(await leaseIds()).toEqual([]);
  });

  test("the same letter is taken once, the same result again changes nothing, another result is kept as evidence", async () => {
    await submit("a");
    await leaseIds();
    expect(await take("result-a", result("a"))).toBe(true);
    expect(await take("result-a", result("a", "failed"))).toBe(true);
    expect(await take("again", result("a"))).toBe(true);
    expect(await eventKinds()).not.toContain("evidence");
    await take("other", result("a", "failed"));
    expect(await stateOf("a")).toBe("succeeded");
    expect(await eventKinds()).toContain("evidence");
  });

  test("a result for a command that this relay never had, or that is another site's, is kept as an orphan and changes nothing", async () => {
    await addSite("ship");
    await submit("theirs", { siteName: "ship" });
    await take("r1", result("unheard of"));
    await take("r2", result("theirs"));
    expect(await stateOf("theirs")).toBe("queued");
    expect((await eventKinds()).filter((kind) => kind === "orphan")).toHaveLength(2);
  });

  test("of a link that is not the newest is not taken: the newest brings it again", async () => {
    await submit("a");
    await leaseIds();
    await store.call("beginLink", { id: plant, boot: "b1", dial: 2, fence: 2, agentEpoch: "e1", agentVersion: "1", nowMs });
    expect(await take("result-a", result("a"), 1)).toBe(false);
    expect(await stateOf("a")).toBe("offered");
    expect(await take("result-a", result("a"), 2)).toBe(true);
    expect(await stateOf("a")).toBe("succeeded");
  });

  test.each([
    ["storage", "blocked", "queued"],
    ["trust", "blocked", "queued"],
    ["unsupported", "rejected", null],
    ["policy", "rejected", null],
    ["malformed", "rejected", null],
  ] as const)("a letter refused for %s is %s, and offered again when its reason may be gone: %s", async (status, state, then) => {
    await submit("a");
    await leaseIds();
    await receipt("a", status);
    expect(await stateOf("a")).toBe(state);
    expect(await leaseIds(), "not by itself").toEqual([]);
    expect(await store.call("unblockCommands", { site: plant, nowMs })).toBe(then === null ? 0 : 1);
    expect(await leaseIds()).toEqual(then === null ? [] : ["a"]);
  });
});

describe("a new link", () => {
  const reconcile = (agentInDoubt: readonly string[] = [], hasNewEpoch = false) =>
    store.call("reconcileLetters", { site: plant, agentInDoubt, hasNewEpoch, nowMs });

  test("asks about what left without a receipt: held is stored, not held is queued again in its old place, offered with a new number", async () => {
    for (const id of ["a", "b", "c"]) await submit(id);
    await leaseIds(2);
    expect(await reconcile()).toEqual({ inDoubt: ["a", "b"], held: [] });
    expect(await leaseIds(), "nothing is terminal or sent until the agent says what it holds").toEqual(["c"]);
    await store.call("settleInDoubt", { site: plant, inDoubt: ["a", "b"], held: ["b"], nowMs });
    expect([await stateOf("a"), await stateOf("b")]).toEqual(["queued", "stored"]);
    expect((await lease()).map(({ id, ord, seq }) => `${id} ${ord} ${seq}`)).toEqual(["a 1 4"]);
  });

  test("tells which of the agent's letters are here, and forgets those that the agent has a receipt for", async () => {
    await submit("a");
    await leaseIds();
    await take("claim-a", { kind: "claim", command: "a", startedMs: 5 });
    await take("result-a", result("a"));
    expect(await reconcile(["result-a", "result-z"])).toEqual({ inDoubt: [], held: ["result-a"] });
    expect(await take("claim-a", result("a", "failed")), "a number is free again, and its letter is judged anew").toBe(true);
    expect(await eventKinds()).toContain("evidence");
  });

  test("with another database at the agent queues again what may run twice: it may be gone", async () => {
    for (const id of ["a", "b", "c", "d"]) await submit(id);
    await leaseIds(3);
    await receipt("b");
    await take("claim-c", { kind: "claim", command: "c", startedMs: 5 });
    expect(await reconcile([], true)).toEqual({ inDoubt: [], held: [] });
    expect(await Promise.all(["a", "b", "c", "d"].map(stateOf))).toEqual(["queued", "queued", "queued", "queued"]);
    expect(await leaseIds()).toEqual(["a", "b", "c", "d"]);
    expect(await eventKinds()).toContain("lost-disk");
  });

  test("offers again what was blocked", async () => {
    await submit("a");
    await leaseIds();
    await receipt("a", "storage");
    await reconcile();
    expect(await leaseIds()).toEqual(["a"]);
  });
});

test("a revoked site's commands are abandoned, and nothing of it leaves", async () => {
  await submit("a");
  await submit("b");
  await leaseIds(1);
  await store.call("endSite", { id: plant, to: "revoked", operator: "ann", nowMs });
  expect([await stateOf("a"), await stateOf("b")]).toEqual(["abandoned", "abandoned"]);
  expect(await leaseIds()).toEqual([]);
});

test("the newest report stands", async () => {
  expect(await store.call("reportOf", { site: plant })).toBe(null);
  for (const body of ["1", "2"]) await take(`report-${body}`, { kind: "report", madeMs: 1, body });
  expect(await store.call("reportOf", { site: plant })).toBe("2");
});
