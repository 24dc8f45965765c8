// Cancelling and giving up at the relay's store: what ends here at once, what is asked of the site and how often, and whose word counts then.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFault } from "../shared/kit/errors.ts";
import type { RelayState } from "../shared/rules/command-state.ts";
import { codeOf } from "./kit/code-of.ts";
import { RelayBench } from "./kit/relay-store.ts";

let relay: RelayBench;
let fence: number;
beforeEach(async () => {
  relay = await RelayBench.open();
  ({ fence } = await relay.link());
});
afterEach(() => relay.close());

const bring = (id: string, state: RelayState): Promise<void> => relay.bring(fence, id, state);

describe("a cancel", () => {
  const cancel = (id: string): Promise<unknown> => relay.store.call("cancelCommand", { id, operator: "ann", nowMs: relay.nowMs });

  test.each(["queued", "blocked"] as const)("of a %s command ends it here", async (state) => {
    await bring("a", state);
    await cancel("a");
    expect(await relay.store.call("commandRow", { id: "a" })).toMatchObject({ state: "cancelled", why: "cancelled by ann" });
    expect(await relay.rows("SELECT id FROM outbox")).toEqual([]);
  });

  test.each(["offered", "stored", "running"] as const)("of a %s command is asked of the site once, ahead of everything else, and changes nothing here", async (state) => {
    await bring("a", state);
    await relay.submit("b", { lane: "interactive" });
    await cancel("a");
    await cancel("a");
    expect(await relay.state("a")).toBe(state);
    const [first, second, ...rest] = await relay.lease(fence);
    expect([first!.id, first!.kind, first!.lane, first!.parts.typ, first!.parts.cid, second!.id, rest.length]).toEqual(["cancel-a", "cancel", "control", "cancel", "a", "b", 0]);
    await relay.settle(fence, "cancel-a");
    expect(await relay.leased(fence)).toEqual([]);
    await relay.result(fence, "a", "cancelled");
    expect(await relay.state("a")).toBe("cancelled");
  });

  test("in doubt after a cut is settled by what the agent holds, and asked again if it does not", async () => {
    await bring("a", "stored");
    await cancel("a");
    await relay.leased(fence);
    const next = await relay.link();
    expect(next.inDoubt).toEqual(["cancel-a", "a"]);
    const settle = (link: number, held: string[]): Promise<string | null> => relay.store.call("settleInDoubt", { site: relay.site, fence: link, inDoubt: ["cancel-a"], held, nowMs: relay.nowMs });
    await settle(next.fence, []);
    expect(await relay.leased(next.fence)).toEqual(["cancel-a"]);
    const last = await relay.link();
    await settle(last.fence, ["cancel-a"]);
    expect(await relay.leased(last.fence)).toEqual([]);
    expect(await relay.state("a")).toBe("stored");
  });

  test("of a command that turns out not to be at the site is decided here, and not lost", async () => {
    await bring("a", "offered");
    await cancel("a");
    const next = await relay.link();
    expect(next.inDoubt).toEqual(["a"]);
    await relay.store.call("settleInDoubt", { site: relay.site, fence: next.fence, inDoubt: ["a"], held: [], nowMs: relay.nowMs });
    expect([await relay.state("a"), await relay.leased(next.fence)]).toEqual(["cancelled", []]);
  });

  test.each(["storage", "trust"] as const)("of a command that the site refuses for the moment (%s) is decided here, and not lost", async (status) => {
    await bring("a", "offered");
    await cancel("a");
    await relay.settle(fence, "a", status);
    expect([await relay.state("a"), await relay.leased(fence)]).toEqual(["cancelled", []]);
  });

  test("that the site has no room for is asked again after a while; one it refuses is told", async () => {
    await bring("a", "stored");
    await cancel("a");
    await relay.leased(fence);
    await relay.settle(fence, "cancel-a", "storage");
    expect(await relay.leased(fence)).toEqual([]);
    relay.nowMs += 30_000;
    expect(await relay.leased(fence)).toEqual(["cancel-a"]);
    await relay.settle(fence, "cancel-a", "unsupported");
    expect(await relay.rows("SELECT id FROM outbox")).toEqual([]);
    expect(await relay.events("command")).toContain("a: the site refused to cancel it: unsupported");
  });

  test("goes with the result that came first, and is refused with the outcome after it", async () => {
    await bring("a", "running");
    await cancel("a");
    await relay.result(fence, "a");
    expect(await relay.leased(fence)).toEqual([]);
    expect(await cancel("a").catch((error: unknown) => [asFault(error).code, asFault(error).why])).toEqual(["STATE_REFUSED", "it has ended: succeeded: it succeeded"]);
    expect(await codeOf(cancel("nothing"))).toBe("COMMAND_UNKNOWN");
  });

  test("is forgotten when the agent's database is lost: what it did before that is not to be called cancelled", async () => {
    await bring("a", "running");
    await cancel("a");
    const next = await relay.link({ agentEpoch: "e-2" });
    expect(await relay.leased(next.fence)).toEqual(["a"]);
    expect(await relay.rows("SELECT cancel_asked_ms FROM commands")).toEqual([{ cancel_asked_ms: null }]);
  });
});

describe("giving up", () => {
  test.each(["queued", "blocked", "offered", "stored", "running"] as const)("ends a %s command here, lets its successors go, and keeps a later result as evidence", async (state) => {
    await bring("a", state);
    await relay.submit("b", { keys: [{ key: "a", isOwn: true }] });
    await relay.leased(fence);
    await relay.store.call("abandonCommand", { id: "a", operator: "ann", nowMs: relay.nowMs });
    expect(await relay.state("a")).toBe("abandoned");
    await relay.leased(fence);
    expect(await relay.state("b")).toBe("offered");
    await relay.result(fence, "a", "failed");
    expect([await relay.state("a"), await relay.events("evidence"), await relay.events("alarm")]).toEqual(["abandoned", ["a is abandoned here, the site says failed: it failed"], []]);
  });
});
