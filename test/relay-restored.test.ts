// A relay whose database was put back from a copy, with an agent that has gone on since: both ends on real stores, with real letters and no sockets. What ended
// after the copy ends here too, with the outcome that the site has kept, and nothing runs twice. Also where nothing shows that the store is an older one.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BothStores, done, room } from "./kit/both-stores.ts";
import { dayMs, type RelayBench } from "./kit/relay-store.ts";

let both: BothStores;
let relay: RelayBench;

beforeEach(async () => {
  both = await BothStores.open();
  relay = both.relay;
});
afterEach(() => both.close());

describe.each(["queued", "offered", "stored", "running"] as const)("a command that was %s in the copy and has ended since", (state) => {
  test("ends with the outcome that the site's tombstone has kept, and does not run again", async () => {
    await both.dial();
    await both.bring("a", state);
    expect(await relay.state("a")).toBe(state);
    const putBack = await relay.backup();
    await both.endAndPurge("a");
    expect(await relay.state("a")).toBe("succeeded");
    await putBack();
    expect(await relay.state("a")).toBe(state);

    await both.dial();
    await both.exchange();
    await both.start();
    const row = await relay.store.call("commandRow", { id: "a" });
    expect(row.state).toBe("succeeded");
    expect(JSON.parse((await relay.rows("SELECT outcome FROM commands WHERE id = 'a'"))[0]!["outcome"] as string)).toEqual({ ...done, objects: [] });
    expect(both.started).toEqual(["a"]);
    expect(await both.agent.call("ownCounts", null)).toMatchObject({ waiting: 0 });
  });
});

test("a result that waits for its next try at the agent leaves at once when the relay asks for it", async () => {
  await both.dial();
  await both.bring("a", "running");
  await both.settle("a");
  for (const { id } of await both.link.side.lease(room)) await both.link.side.settle(id, id === "result-a" ? "policy" : "committed"); // again in an hour
  await both.exchange();
  expect(await relay.state("a")).toBe("running");
  await both.dial();
  await both.exchange();
  expect(await relay.state("a")).toBe("succeeded");
});

test("a cancel of a command that has ended at the site brings its result", async () => {
  await both.dial();
  await both.bring("a", "running");
  const putBack = await relay.backup();
  await both.endAndPurge("a");
  await putBack();
  // The link is there already when the operator asks: nobody has been asked since.
  const { fence } = await relay.link();
  both.useLink(fence);
  await relay.store.call("cancelCommand", { id: "a", operator: "ann", nowMs: relay.nowMs });
  await both.exchange();
  expect(await relay.state("a")).toBe("succeeded");
});

test("a cancel that crossed the result on its link brings no second one; asked on another link it leaves again", async () => {
  await both.submit("a");
  await both.dial();
  await both.exchange();
  await both.start();
  await both.settle("a");
  await both.exchange();
  const asked = { ids: ["a"], fence: both.link.fence, nowMs: both.clock.wallMs() };
  await both.agent.call("reportEnded", asked);
  expect(await both.agent.call("ownInDoubt", null)).toEqual([]);
  expect((await both.agent.call("ownCounts", null)).waiting).toBe(0);
  await both.agent.call("reportEnded", { ...asked, fence: both.link.fence + 1 });
  expect((await both.agent.call("ownCounts", null)).waiting).toBe(1);
});

describe("a command that the site does not know any more", () => {
  test("ends as unknown once its deadline is over: the tombstone went with its time", async () => {
    await both.dial();
    await both.bring("a", "running");
    const putBack = await relay.backup();
    await both.endAndPurge("a");
    both.pass(40 * dayMs);
    await both.agent.call("purgeCommands", { nowMs: both.clock.wallMs(), errorMs: 1 });
    await putBack();
    await both.dial();
    await both.exchange();
    expect(await relay.state("a")).toBe("outcome-unknown");
    expect((await relay.store.call("commandRow", { id: "a" })).why).toMatch(/no record of it/);
  });

  test("stays as it is before that", async () => {
    await both.dial();
    await both.bring("a", "stored");
    const { fence, inDoubt } = await relay.link();
    await relay.store.call("settleInDoubt", { site: relay.site, fence, inDoubt, held: [], nowMs: relay.nowMs });
    expect([inDoubt, await relay.state("a")]).toEqual([["a"], "stored"]);
  });
});

test("a WELCOME names the letters in doubt first, then what the site stored last, then the oldest deadlines, and no more than it has room for", async () => {
  const first = await relay.link();
  const ids = Array.from({ length: 130 }, (_value, index) => `c-${index}`);
  await relay.inOneGroup(ids.map((id, index) => ({ name: "submitCommand", args: relay.command(id, { deadlineMs: relay.nowMs + dayMs + index }) })));
  for (let left = ids.length; left > 0; ) {
    const leased = await relay.leased(first.fence);
    left -= leased.length;
    await relay.inOneGroup(leased.map((id) => ({ name: "settleLetter", args: { site: relay.site, id, fence: first.fence, status: "committed", nowMs: relay.nowMs } })));
  }
  await relay.submit("letter");
  await relay.leased(first.fence);
  const { inDoubt } = await relay.link();
  expect(inDoubt).toHaveLength(128);
  expect(inDoubt.slice(0, 11)).toEqual(["letter", ...[129, 128, 127, 126, 125, 124, 123, 122].map((index) => `c-${index}`), "c-0", "c-1"]);
});
