// A relay whose database was put back from a copy, as its sites tell it: by an order, a link or an epoch that it never gave out. Nothing is offered to such a site
// until it has told what it knows of every command; what it knows ends what is open here; what may not run twice, and who may join, waits for a person.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { recordsPerLetter } from "../shared/rules/records.ts";
import { BothStores, room } from "./kit/both-stores.ts";
import { dayMs, type RelayBench } from "./kit/relay-store.ts";

let both: BothStores;
let relay: RelayBench;

beforeEach(async () => {
  both = await BothStores.open();
  relay = both.relay;
  await both.dial();
});
afterEach(() => both.close());

const standing = async (): Promise<{ epoch: number; isWaiting: boolean }> => {
  const site = (await relay.store.call("findSiteById", { id: relay.site }))!;
  return { epoch: site.relayEpoch, isWaiting: site.restoredMs !== null };
};
const why = async (id: string): Promise<string> => (await relay.store.call("commandRow", { id })).why;

/** A command that the relay accepts after the copy was made, and that the site holds: what shows that the copy is one. */
async function goOn(id = "later"): Promise<void> {
  await both.submit(id);
  await both.exchange();
}

describe("a store is older than its site", () => {
  test("by an order that it never drew", async () => {
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    await both.dial();
    expect(await standing()).toEqual({ epoch: 2, isWaiting: true });
    expect(await relay.events("alarm")).toEqual([expect.stringMatching(/order 1, the store's next one is 1; it offers nothing/)]);
  });

  test("by a link that it never had", async () => {
    const putBack = await relay.backup();
    for (let link = 0; link < 3; link += 1) await both.dial();
    await putBack();
    await both.dial({ fence: both.link.fence - 1 });
    expect(await standing()).toEqual({ epoch: 2, isWaiting: true });
  });

  test("by an epoch that it never had: put back a second time", async () => {
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    await both.dial();
    await putBack();
    await both.dial();
    expect(await standing()).toEqual({ epoch: 3, isWaiting: true });
    await both.exchange();
    expect(await standing()).toEqual({ epoch: 3, isWaiting: false });
  });

  test("and not by what the site has from before a rise", async () => {
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    const before = both.seen;
    await both.dial();
    await both.exchange();
    both.seen = before; // its own store did not take the new epoch: it was killed
    await both.dial();
    expect(await standing()).toEqual({ epoch: 2, isWaiting: false });
  });

  test("as often as it says so, and no more than twenty times are kept", async () => {
    for (let epoch = 1; epoch < 50; epoch += 2) await both.dial({ given: { relayEpoch: epoch, fence: 1_000, order: 0, trustVersion: 1 } });
    expect((await standing()).epoch).toBe(50);
    const { sites } = await relay.store.call("unconfirmedRestores", null);
    expect([sites.length, Math.max(...sites.map(({ relayEpoch }) => relayEpoch))]).toEqual([20, 50]);
  });

  test("and never while all is well", async () => {
    for (const id of ["a", "b", "c"]) {
      await both.submit(id);
      await both.exchange();
      await both.dial();
    }
    expect(await standing()).toEqual({ epoch: 1, isWaiting: false });
  });
});

describe.each(["queued", "offered", "stored", "running"] as const)("a command that was %s in the copy", (state) => {
  test("ends with the site's outcome before anything is offered, and does not run again", async () => {
    await both.bring("a", state);
    const putBack = await relay.backup();
    await both.endAndPurge("a");
    await goOn();
    await putBack();
    await both.dial();
    await relay.submit("new");
    expect(await both.fromRelay()).toEqual([]);
    await both.exchange();
    expect([await relay.state("a"), await standing()]).toEqual(["succeeded", { epoch: 2, isWaiting: false }]);
    expect(await both.fromRelay()).toEqual(["new"]);
    expect(both.started).toEqual(["a"]);
  });

  test("and is still open at the site is known to be there", async () => {
    await both.bring("a", state);
    const putBack = await relay.backup();
    await both.dial();
    await both.exchange();
    await both.start();
    await goOn();
    await both.exchange();
    await putBack();
    await both.dial();
    await both.exchange();
    expect(await relay.state("a")).toBe("running");
    expect((await relay.rows("SELECT id FROM outbox")).length).toBe(0);
    await both.settle("a");
    await both.exchange();
    expect(both.started).toEqual(["a"]);
    expect(await relay.state("a")).toBe("succeeded");
  });
});

describe("a command that was queued in the copy", () => {
  beforeEach(() => both.submit("a"));

  /** The site has it or not; the copy takes its place. */
  async function putBackAfter(step: () => Promise<void>): Promise<void> {
    const putBack = await relay.backup();
    await step();
    await putBack();
  }

  test("and never left expires as it would have", async () => {
    await putBackAfter(async () => {
      await relay.store.call("cancelCommand", { id: "a", operator: "ann", nowMs: relay.nowMs });
      await goOn();
    });
    await both.dial();
    await both.exchange();
    both.pass(8 * dayMs);
    await relay.store.call("expireCommands", { nowMs: relay.nowMs });
    expect([await relay.state("a"), await why("a")]).toEqual(["expired", "its deadline passed before the site returned"]);
  });

  test("ends unknown when its deadline passes before the site has told what it knows; its true result is kept beside that, without an alarm", async () => {
    await putBackAfter(async () => {
      await both.exchange();
      await goOn();
    });
    await both.dial();
    await both.start();
    await both.settle("a");
    both.pass(8 * dayMs);
    await relay.store.call("expireCommands", { nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("outcome-unknown");
    await both.exchange();
    expect(await relay.state("a")).toBe("outcome-unknown");
    expect(await relay.events("evidence")).toEqual([expect.stringMatching(/the site says succeeded/)]);
  });

  test("ends as the site says, also when that is an end without effect", async () => {
    await putBackAfter(async () => {
      await both.exchange();
      await goOn();
      both.pass(8 * dayMs);
      await both.start(); // too late: it expires there
    });
    await both.dial();
    await both.exchange();
    expect(await relay.state("a")).toBe("expired");
  });

  test("stays in doubt when the site has a new database too", async () => {
    await putBackAfter(() => goOn());
    await both.dial({ agentEpoch: "e-2" });
    await both.exchange();
    expect(await standing()).toEqual({ epoch: 2, isWaiting: false });
    await relay.rows("UPDATE commands SET state = 'queued' WHERE id = 'a' RETURNING id");
    both.pass(8 * dayMs);
    await relay.store.call("expireCommands", { nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("outcome-unknown");
  });
});

test("a command of which the copy knows nothing is kept as an orphan, told once for all of them", async () => {
  const putBack = await relay.backup();
  for (const id of ["a", "b"]) await goOn(id);
  await both.start();
  for (const id of ["a", "b"]) await both.settle(id);
  await both.exchange();
  await putBack();
  await both.dial();
  await both.exchange();
  expect(await relay.rows("SELECT command, state FROM orphans ORDER BY command")).toEqual(["a", "b"].map((command) => ({ command, state: "succeeded" })));
  expect(await relay.events("orphan")).toEqual([]);
  expect((await relay.events("alarm"))[0]).toMatch(/2 ended there that this relay does not know/);
});

test("a site keeps its results to itself once two thousand of them are for commands that nobody knows", async () => {
  const { fence } = both.link;
  await relay.rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO orphans (site, command, header, state, outcome, received_ms) SELECT ?, 'x' || i, '', 'succeeded', '{}', 0 FROM n", relay.site);
  await expect(relay.result(fence, "one-more")).rejects.toThrow(expect.objectContaining({ code: "QUEUE_FULL" }));
  const outcome = { state: "succeeded", what: "done", code: null, objects: [] } as const;
  await relay.take(fence, "records-1-1", { kind: "records", relayEpoch: 1, isLast: true, commands: [{ id: "and-more", state: "ended", header: "", startedMs: 1, endedMs: 2, outcome }] });
  expect((await relay.rows("SELECT COUNT(*) AS n FROM orphans"))[0]).toEqual({ n: 2_000 });
});

test("what is ordered after the copy runs after what the site has from before, although its orders are drawn again", async () => {
  const putBack = await relay.backup();
  for (const id of ["a", "b"]) await both.submit(id);
  await both.exchange();
  both.pass(60_000);
  await putBack();
  await both.dial();
  await both.exchange();
  await both.submit("c", "b"); // of order 1, as "a" was, and of the same object as "b"
  await both.exchange();
  await both.start();
  expect(both.started).toEqual(["a", "b"]);
  await both.settle("b");
  await both.start();
  expect(both.started).toEqual(["a", "b", "c"]);
});

describe("what the site tells", () => {
  test("goes on after a cut, in as many letters as it takes", async () => {
    const putBack = await relay.backup();
    await goOn();
    await both.knowOf(recordsPerLetter + 5);
    await putBack();
    for (let link = 0; link < 2; link += 1) await both.dial(); // cut before one of them left: asked again, told once
    const letters = (await both.link.side.lease(room)).map(({ id }) => id);
    expect(letters).toEqual([expect.stringMatching(/^records-2-/), expect.stringMatching(/^records-2-/)]);
    await both.dial(); // cut while they were under way
    await both.exchange();
    expect([await standing(), await both.agent.call("ownCounts", null)]).toEqual([{ epoch: 2, isWaiting: false }, expect.objectContaining({ waiting: 0 })]);
  });

  test("is waited for, also by a site that could not store it", async () => {
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    const { agent } = both;
    const fails = (name: string): boolean => name === "postRecords";
    const call = agent.call.bind(agent);
    Object.assign(agent, { call: (name: never, args: never) => (fails(name) ? Promise.resolve() : call(name, args)) });
    await both.dial();
    await relay.submit("new");
    await both.exchange();
    expect([await both.fromRelay(), await standing()]).toEqual([[], { epoch: 2, isWaiting: true }]);
    Object.assign(agent, { call });
    await both.dial();
    await both.exchange();
    expect(await both.fromRelay()).toEqual(["new"]);
  });

  test("answers one question: an older answer settles nothing", async () => {
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    await both.dial();
    await relay.take(both.link.fence, "records-1-1", { kind: "records", relayEpoch: 1, isLast: true, commands: [] });
    expect(await standing()).toEqual({ epoch: 2, isWaiting: true });
  });
});

describe("what waits for a person", () => {
  test("a command that may not run twice, until the site has told what it knows and it is confirmed", async () => {
    await relay.submit("once", { repeatability: "neither" });
    const putBack = await relay.backup();
    await goOn();
    await putBack();
    await both.dial();
    expect([await relay.state("once"), await why("once")]).toEqual(["blocked", expect.stringMatching(/may not run twice; bowline restored confirm/)]);
    const view = async () => (await relay.store.call("unconfirmedRestores", null)).sites;
    expect(await view()).toEqual([{ site: "anvil", relayEpoch: 2, noticedMs: relay.nowMs, why: expect.any(String), isOpen: true, blocked: 1, orphans: 0 }]);
    const confirm = () => relay.store.call("confirmRestores", { operator: "ann", nowMs: relay.nowMs });
    expect([await confirm(), await relay.state("once")]).toEqual([[], "blocked"]);
    await both.exchange();
    expect([await confirm(), await relay.state("once"), await view()]).toEqual([[relay.site], "queued", []]);
  });

  test("a join token, for it may have been revoked since; not again for a site that says it every hour", async () => {
    const { nowMs } = relay;
    await relay.store.call("putJoinToken", { id: "t", secret: Buffer.alloc(32), name: "", labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs, expiresMs: nowMs + 30 * dayMs });
    const putBack = await relay.backup();
    await goOn();
    const join = () => relay.store.call("joinSite", { token: "t", site: "s_new", signKey: "k", boxKey: "b", name: "new", labels: {}, boot: "b", dial: 1, fence: 9, nowMs: relay.nowMs });
    await putBack();
    await both.dial();
    await expect(join()).rejects.toThrow(expect.objectContaining({ code: "JOIN_TOKEN_HELD", message: "this join token is on hold" }));
    expect((await relay.store.call("unconfirmedRestores", null)).tokens).toMatchObject([{ id: "t-s_1" }, { id: "t" }]);
    await relay.store.call("confirmRestores", { operator: "ann", nowMs: relay.nowMs });
    await both.dial({ given: { relayEpoch: 7, fence: 0, order: 0, trustVersion: 1 } });
    expect((await standing()).epoch).toBe(8);
    expect(await join()).toMatchObject({ name: "new" });
  });
});
