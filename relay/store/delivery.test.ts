// Delivery at the relay with real SQLite: what is accepted has its place, leaves in order and once, ends once and by the word of who may say so. delivery.md
// sections 2 to 4; the operations are the product's, a transaction each.
import { beforeEach, describe, expect, test } from "vitest";
import { RelayBench } from "../../test/kit/relay-store.ts";
import type { CommandRow, NewCommand } from "./commands.ts";
import type { LeasedCommand, SiteLetter } from "./delivery.ts";
import type { LinkVerdict } from "./links.ts";

let relay: RelayBench;
/** Of the site's newest link. */
let fence: number;

beforeEach(async () => {
  relay = await RelayBench.open();
  await link();
  return () => relay.close();
});

/** The site links anew. */
async function link(agentEpoch = "e-1"): Promise<LinkVerdict> {
  const verdict = await relay.link({ agentEpoch });
  ({ fence } = verdict);
  return verdict;
}
const submit = (id: string, change: Partial<NewCommand> = {}): Promise<CommandRow> => relay.submit(id, change);
const stateOf = (id: string): Promise<string> => relay.state(id);
const lease = (letters?: number): Promise<LeasedCommand[]> => relay.lease(fence, letters);
const leaseIds = (letters?: number): Promise<string[]> => relay.leased(fence, letters);
const receipt = (id: string, status?: "storage" | "trust" | "unsupported" | "policy" | "malformed"): Promise<void> => relay.settle(fence, id, status);
const take = (id: string, letter: SiteLetter, linkFence = fence): Promise<boolean> => relay.take(linkFence, id, letter);
const result = (of: string, state: "succeeded" | "failed" = "succeeded"): SiteLetter => ({
  kind: "result",
  command: of,
  header: `header of ${of}`,
  startedMs: 5,
  endedMs: 9,
  outcome: { state, what: `it ${state}`, code: null, objects: [] },
});
const eventKinds = async (): Promise<string[]> => (await relay.store.call("eventsOf", { site: relay.site, limit: 100 })).map(({ kind }) => kind);

describe("what leaves", () => {
  test("is marked offered before its first octet, in order, signed with a number of its own, and not taken again", async () => {
    for (const id of ["a", "b", "c"]) await submit(id);
    const first = await lease(2);
    expect(first.map(({ id, ord, parts }) => ({ id, ord, seq: parts.seq }))).toEqual([
      { id: "a", ord: 1, seq: relay.nowMs },
      { id: "b", ord: 2, seq: relay.nowMs + 1 },
    ]);
    expect([await stateOf("a"), await stateOf("c")]).toEqual(["offered", "queued"]);
    expect((await lease()).map(({ id, parts }) => `${id} ${parts.seq}`)).toEqual([`c ${relay.nowMs + 2}`]);
    expect(await leaseIds()).toEqual([]);
  });

  test("keeps its order inside a key, naming what must be settled before it; other keys go by", async () => {
    await submit("a1", { keys: [{ key: "web", isOwn: true }] });
    await submit("a2", { keys: [{ key: "web", isOwn: true }] });
    await submit("b1", { keys: [{ key: "db", isOwn: true }] });
    const leased = await lease();
    expect(leased.map(({ id, after }) => [id, after])).toEqual([
      ["a1", null],
      ["a2", "a1"],
      ["b1", null],
    ]);
    await receipt("a1");
    await take("r1", result("a1"));
    await submit("a3", { keys: [{ key: "web", isOwn: true }] });
    expect((await lease()).map(({ id, after }) => [id, after])).toEqual([["a3", "a2"]]);
  });

  test("has not expired: what is over ends here and does not leave", async () => {
    await submit("a", { deadlineMs: relay.nowMs + 10 });
    await submit("b");
    relay.nowMs += 11;
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
    expect(await relay.store.call("commandRow", { id: "a" })).toMatchObject({ state: "stored", offeredMs: relay.nowMs, storedMs: relay.nowMs });
    await take("claim-a", { kind: "claim", command: "a", startedMs: 5 });
    expect(await stateOf("a")).toBe("running");
    relay.nowMs += 100;
    await take("result-a", result("a"));
    expect(await relay.store.call("commandRow", { id: "a" })).toMatchObject({ state: "succeeded", startedSiteMs: 5, endedSiteMs: 9, endedMs: relay.nowMs });
    expect(JSON.parse((await relay.store.call("commandRow", { id: "a" })).outcome!)).toMatchObject({ what: "it succeeded" });
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

  test("of a link that is not the newest is not taken: the newest brings it again", async () => {
    await submit("a");
    await leaseIds();
    await link();
    expect(await take("result-a", result("a"), fence - 1)).toBe(false);
    expect(await stateOf("a")).toBe("offered");
    expect(await take("result-a", result("a"))).toBe(true);
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
    expect(await relay.store.call("unblockCommands", { site: relay.site, nowMs: relay.nowMs })).toBe(then === null ? 0 : 1);
    expect(await leaseIds()).toEqual(then === null ? [] : ["a"]);
  });
});

describe("a new link", () => {
  test("asks about what left without a receipt: held is stored, not held is queued again in its old place, offered with a new number", async () => {
    for (const id of ["a", "b", "c"]) await submit(id);
    await leaseIds(2);
    expect(await link()).toMatchObject({ inDoubt: ["a", "b"], held: [] });
    expect(await leaseIds(), "nothing is terminal or sent until the agent says what it holds").toEqual(["c"]);
    await relay.store.call("settleInDoubt", { site: relay.site, fence, inDoubt: ["a", "b"], held: ["b"], nowMs: relay.nowMs });
    expect([await stateOf("a"), await stateOf("b")]).toEqual(["queued", "stored"]);
    expect((await lease()).map(({ id, ord, parts }) => `${id} ${ord} ${parts.seq}`)).toEqual([`a 1 ${relay.nowMs + 3}`]);
  });

  test("with another database at the agent queues again what may run twice: it may be gone", async () => {
    for (const id of ["a", "b", "c", "d"]) await submit(id);
    await leaseIds(3);
    await receipt("b");
    await take("claim-c", { kind: "claim", command: "c", startedMs: 5 });
    expect(await link("e-2")).toMatchObject({ inDoubt: [], held: [] });
    expect(await Promise.all(["a", "b", "c", "d"].map(stateOf))).toEqual(["queued", "queued", "queued", "queued"]);
    expect(await leaseIds()).toEqual(["a", "b", "c", "d"]);
    expect(await eventKinds()).toContain("lost-disk");
  });

  test("offers again what was blocked", async () => {
    await submit("a");
    await leaseIds();
    await receipt("a", "storage");
    await link();
    expect(await leaseIds()).toEqual(["a"]);
  });
});

test("a revoked site's commands are abandoned, and nothing of it leaves", async () => {
  await submit("a");
  await submit("b");
  await leaseIds(1);
  await relay.store.call("endSite", { id: relay.site, to: "revoked", operator: "ann", nowMs: relay.nowMs });
  expect([await stateOf("a"), await stateOf("b")]).toEqual(["abandoned", "abandoned"]);
  expect(await leaseIds()).toEqual([]);
});
