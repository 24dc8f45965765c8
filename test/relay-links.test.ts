// A link's beginning at the relay's store: all of it or nothing, only the newest link has the site's letters, and what older links still say does no harm.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { codeOf } from "./kit/code-of.ts";
import { RelayBench } from "./kit/relay-store.ts";

let relay: RelayBench;
beforeEach(async () => {
  relay = await RelayBench.open();
});
afterEach(() => relay.close());

describe("a new agent database", () => {
  test("is settled in the transaction that notes it: a relay killed right after finds nothing left to do", async () => {
    await relay.link();
    const first = await relay.link();
    await relay.submit("may-repeat");
    await relay.submit("once", { kind: "shell", repeatability: "neither" });
    await relay.submit("under-way");
    await relay.leased(first.fence);
    for (const id of ["may-repeat", "once"]) await relay.settle(first.fence, id);

    await relay.link({ agentEpoch: "e-2" });
    await relay.restart(); // killed before anything else was done
    expect(await Promise.all(["may-repeat", "once"].map((id) => relay.state(id)))).toEqual(["queued", "outcome-unknown"]);
    const next = await relay.link({ agentEpoch: "e-2" });
    expect(next.inDoubt).toEqual([]);
    expect(await relay.leased(next.fence)).toEqual(["may-repeat", "under-way"]);
  });

  test("makes an end without a run an unknown one: what was there may have been done before the loss", async () => {
    const { nowMs } = relay;
    const asked = { repeatability: "verifiable", deadlineMs: nowMs + 10_000 } as const;
    const ids = ["expires", "superseded", "cancelled", "reported"];
    for (const id of ids) await relay.submit(id, { ...asked, collapseKey: id });
    const first = await relay.link();
    expect(await relay.leased(first.fence)).toEqual(ids);
    for (const id of ids) await relay.settle(first.fence, id);
    const second = await relay.link({ agentEpoch: "e-2" });
    await relay.submit("newer", { collapseKey: "superseded" });
    await relay.store.call("cancelCommand", { id: "cancelled", operator: "ann", nowMs });
    expect(await relay.leased(second.fence)).toContain("reported");
    await relay.settle(second.fence, "reported");
    await relay.result(second.fence, "reported", "expired");
    await relay.settle(second.fence, "expires", "storage");
    await relay.store.call("expireCommands", { nowMs: nowMs + 20_000 });
    for (const id of ids) expect([id, await relay.state(id)]).toEqual([id, "outcome-unknown"]);
    const [row] = await relay.rows("SELECT why FROM commands WHERE id = 'expires'");
    expect(row!["why"]).toBe("its deadline passed before the site returned; it may have been done before a database was lost");
  });

  test("forgets which of the old one's letters came: a result of the same name is taken anew", async () => {
    const first = await relay.link();
    await relay.submit("job");
    await relay.leased(first.fence);
    await relay.settle(first.fence, "job");
    await relay.claim(first.fence, "job");
    const second = await relay.link({ agentEpoch: "e-2", agentInDoubt: ["claim-job", "result-job"] });
    expect(second.held).toEqual([]);
    await relay.leased(second.fence);
    await relay.settle(second.fence, "job");
    await relay.claim(second.fence, "job");
    await relay.result(second.fence, "job");
    expect(await relay.state("job")).toBe("succeeded");
  });
});

describe("an older link", () => {
  test("takes no letters once a newer one was admitted", async () => {
    const first = await relay.link();
    const second = await relay.link();
    await relay.submit("a");
    expect(await relay.leased(first.fence)).toEqual([]);
    expect(await relay.state("a")).toBe("queued");
    expect(await relay.leased(second.fence)).toEqual(["a"]);
  });

  test("may still bring the receipt of what left on it, and the agent may then say that it holds it", async () => {
    const first = await relay.link();
    await relay.submit("a");
    await relay.leased(first.fence);
    const second = await relay.link();
    expect(second.inDoubt).toEqual(["a"]);
    await relay.settle(first.fence, "a");
    expect(await relay.state("a")).toBe("stored");
    await relay.store.call("settleInDoubt", { site: relay.site, fence: second.fence, inDoubt: second.inDoubt, held: ["a"], nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("stored");
  });

  test("may bring a refusal of what left on it: the command keeps its letter whatever the agent's HELD says after that", async () => {
    const first = await relay.link();
    await relay.submit("a");
    await relay.leased(first.fence);
    const second = await relay.link();
    await relay.settle(first.fence, "a", "storage");
    await relay.store.call("unblockCommands", { site: relay.site, nowMs: relay.nowMs });
    await relay.store.call("settleInDoubt", { site: relay.site, fence: second.fence, inDoubt: second.inDoubt, held: [], nowMs: relay.nowMs });
    expect(await relay.leased(second.fence)).toEqual(["a"]);
  });

  test("settles nothing of what left again on the newer one", async () => {
    const first = await relay.link();
    await relay.submit("a");
    await relay.leased(first.fence);
    const second = await relay.link({ agentEpoch: "e-2" });
    await relay.leased(second.fence);
    for (const status of ["committed", "policy"] as const) await relay.settle(first.fence, "a", status);
    expect(await relay.state("a")).toBe("offered");
    await relay.settle(second.fence, "a");
    expect(await relay.state("a")).toBe("stored");
  });

  test("cannot answer for a newer one what is in doubt", async () => {
    const first = await relay.link();
    await relay.submit("a");
    await relay.leased(first.fence);
    const second = await relay.link();
    const third = await relay.link();
    await relay.store.call("settleInDoubt", { site: relay.site, fence: second.fence, inDoubt: second.inDoubt, held: [], nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("offered");
    await relay.store.call("settleInDoubt", { site: relay.site, fence: third.fence, inDoubt: third.inDoubt, held: ["a"], nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("stored");
  });

  test("brings no letters of the site any more", async () => {
    const first = await relay.link();
    await relay.link();
    expect(await relay.claim(first.fence, "a")).toBe(false);
    expect(await relay.rows("SELECT id FROM inbox")).toEqual([]);
  });
});

describe("who may link", () => {
  test("a lower dial of the same boot is late, an older handshake too; a dial that goes back across boots is a clone", async () => {
    const { fence } = await relay.link({ dial: 10 });
    expect(await codeOf(relay.link({ dial: 9 }))).toBe("LINK_LATE");
    expect(await codeOf(relay.link({ dial: 11, fence: fence - 1 }))).toBe("LINK_LATE");
    expect((await relay.link({ dial: 9, boot: "other" })).isClone).toBe(true);
    expect(await relay.events("cloned")).toHaveLength(1);
    expect(await relay.leased(fence)).toEqual([]); // it still has the site
  });

  test("what the hello says of disk and clock is kept", async () => {
    await relay.link({ freeOctets: 12_345, clockErrorMs: 67 });
    expect(await relay.rows("SELECT free_octets, clock_error_ms FROM sites")).toEqual([{ free_octets: 12_345, clock_error_ms: 67 }]);
  });
});

describe("what left and what came", () => {
  test("is held when its note is here, and its note goes when the agent has the receipt", async () => {
    const first = await relay.link();
    for (const id of ["e-1", "e-2", "e-3"]) await relay.take(first.fence, id, { kind: "event", atMs: 1, event: "x", what: id });
    const second = await relay.link({ agentInDoubt: ["e-2", "e-9"] });
    expect(second.held).toEqual(["e-2"]);
    expect(await relay.rows("SELECT id FROM inbox")).toEqual([{ id: "e-2" }]);
  });

  test("a letter that comes twice counts once", async () => {
    const { fence } = await relay.link();
    for (let time = 0; time < 3; time += 1) expect(await relay.take(fence, "e-1", { kind: "event", atMs: 1, event: "x", what: "once" })).toBe(true);
    expect(await relay.events("x")).toEqual(["once"]);
  });

  test("notes stay within 256 however long a link lives, and the newest are there", async () => {
    const { fence } = await relay.link();
    for (let index = 0; index < 400; index += 1) await relay.take(fence, `e-${index}`, { kind: "event", atMs: index, event: "x", what: "e" });
    const notes = await relay.rows("SELECT id FROM inbox ORDER BY n");
    expect([notes.length, notes[0], notes.at(-1)]).toEqual([256, { id: "e-144" }, { id: "e-399" }]);
    const next = await relay.link({ agentInDoubt: Array.from({ length: 128 }, (_value, index) => `e-${272 + index}`) });
    expect(next.held).toHaveLength(128);
  });

  test("signers' numbers go on above the time, so a copy of yesterday draws none again that was used since", async () => {
    const { fence } = await relay.link();
    await relay.submit("a");
    await relay.submit("b");
    const seqs = (await relay.lease(fence)).map(({ parts }) => parts.seq);
    expect(seqs).toEqual([relay.nowMs, relay.nowMs + 1]);
    await relay.rows("UPDATE sites SET next_seq = 1"); // yesterday's copy, or an empty one with the same key
    relay.nowMs += 1_000;
    await relay.submit("c");
    expect((await relay.lease(fence))[0]!.parts.seq).toBeGreaterThan(seqs[1]!);
  });
});
