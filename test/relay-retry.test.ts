// What ends badly: tried again in its place, once at a time; or holding its keys until it is retried with success or skipped. And what cannot be retried says why.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandView, Problem } from "../shared/api.ts";
import type { TerminalState } from "../shared/rules/command-state.ts";
import { ApiBench } from "./kit/api-bench.ts";
import { dayMs } from "./kit/relay-store.ts";

let bench: ApiBench;
let fence: number;
beforeEach(async () => {
  bench = await ApiBench.open();
  ({ fence } = await bench.relay.link());
});
afterEach(() => bench.close());

const spec = (text: string): unknown => ({ kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", annotations: { text } } }], forceConflicts: false });
const give = async (text: string, rest: Record<string, unknown> = {}): Promise<string> => (await bench.ask<CommandView>("POST", "/commands", { body: { site: "anvil", spec: spec(text), ...rest } })).body.id;
const act = <Body = CommandView>(id: string, verb: string): Promise<{ status: number; body: Body }> => bench.ask<Body>("POST", `/commands/${id}/${verb}`, { body: {} });
const view = async (id: string): Promise<CommandView> => (await bench.ask<CommandView>("GET", `/commands/${id}`)).body;
const leased = (): Promise<string[]> => bench.relay.leased(fence);
/** Offered, taken, and ended at the site. */
async function end(id: string, state: TerminalState): Promise<void> {
  expect(await leased()).toContain(id);
  await bench.relay.settle(fence, id);
  await bench.relay.result(fence, id, state);
}

describe("a retry", () => {
  test("asks for the same, by whoever retries, with as much time as the first had, and names its ancestor", async () => {
    const first = await give("x", { expiresInMs: dayMs, orderingKey: "k" });
    await end(first, "failed");
    bench.advance(5_000);
    const { status, body } = await act(first, "retry");
    expect([status, body.state, body.retryOf, body.what, Date.parse(body.deadline) - Date.parse(body.asked)]).toEqual([202, "queued", first, "apply ConfigMap/a", dayMs]);
    const [letter] = await bench.relay.lease(fence);
    expect(JSON.parse(Buffer.from(letter!.body).toString("utf8"))).toEqual({ operator: "ann", tier: "admin", spec: spec("x"), orderingKey: "k" });
  });

  test.each(["queued", "offered", "stored", "running"] as const)("of a %s command is refused: it has not ended", async (state) => {
    await bench.relay.bring(fence, "a", state);
    expect((await act<Problem>("a", "retry")).body).toMatchObject({ status: 409, code: "STATE_REFUSED", detail: `it has not ended: it is ${state}` });
  });

  test("of what succeeded is refused with its outcome; of what is gone, or was retried, with what to do", async () => {
    const good = await give("x");
    await end(good, "succeeded");
    expect((await act<Problem>(good, "retry")).body).toMatchObject({ status: 409, detail: "it has ended: succeeded: it succeeded" });
    const bad = await give("y");
    await end(bad, "failed");
    const again = (await act(bad, "retry")).body.id;
    expect((await act<Problem>(bad, "retry")).body).toMatchObject({ status: 409, detail: `as ${again}` });
    await end(again, "failed");
    expect((await act(again, "retry")).body.retryOf).toBe(again);
    expect((await act<Problem>("nothing", "retry")).body.code).toBe("COMMAND_UNKNOWN");
  });

  test("is possible for a week, and of the newest fifty of a site", async () => {
    const first = await give("x");
    await end(first, "failed");
    bench.advance(8 * dayMs);
    await bench.relay.store.call("purgeRecords", { nowMs: bench.relay.nowMs });
    expect((await act<Problem>(first, "retry")).body).toMatchObject({ status: 409, hint: "give the order anew" });
    for (let index = 0; index < 52; index += 1) {
      await bench.relay.submit(`c${index}`, { deadlineMs: bench.relay.nowMs + 1 });
      bench.advance(2);
      await bench.relay.store.call("expireCommands", { nowMs: bench.relay.nowMs });
    }
    expect((await bench.relay.rows("SELECT COUNT(*) AS n FROM commands WHERE body IS NOT NULL"))[0]).toEqual({ n: 50 });
  });

  test("stands where its ancestor stood: what waits here goes after it, what is at the site already was before it", async () => {
    const [first, there, here] = [await give("1"), await give("2"), await give("3")];
    await leased();
    await bench.relay.settle(fence, first);
    await bench.relay.settle(fence, there);
    await bench.relay.settle(fence, here, "storage");
    await bench.relay.result(fence, first, "failed");
    const again = (await act(first, "retry")).body.id;
    await bench.relay.store.call("unblockCommands", { site: bench.relay.site, nowMs: bench.relay.nowMs });
    const [letter, ...others] = await bench.relay.lease(fence);
    expect([letter!.id, letter!.after, others]).toEqual([again, null, []]);
    expect((await view(here)).position).toMatchObject({ behind: there, inKey: { n: 3, of: 3 } });
    await bench.relay.settle(fence, again);
    expect(await leased(), "by its order the site would put the retry behind it").toEqual([]);
    await bench.relay.result(fence, again);
    const [last] = await bench.relay.lease(fence);
    expect([last!.id, last!.after]).toEqual([here, there]);
  });
});

describe("a command that blocks", () => {
  let blocking: string;
  let next: string;
  let other: string;
  beforeEach(async () => {
    blocking = await give("1", { onFailure: "block" });
    next = await give("2");
    other = (await bench.relay.submit("other")).id;
  });

  test("keeps those behind it here until it has succeeded, and nobody else", async () => {
    expect(await leased()).toEqual([blocking, other]);
    await bench.relay.settle(fence, blocking);
    expect([await leased(), (await view(next)).why]).toEqual([[], `waits for ${blocking}; it is offered again`]);
    await bench.relay.result(fence, blocking);
    expect([await leased(), (await view(blocking)).holdsKeys]).toEqual([[next], false]);
  });

  test.each(["failed", "rejected", "expired", "outcome-unknown"] as const)("and ends as %s holds its key, also over a restart and a new link, until it is skipped", async (state) => {
    await end(blocking, state);
    await bench.relay.restart();
    ({ fence } = await bench.relay.link());
    expect(await leased()).not.toContain(next);
    expect((await view(next)).why).toMatch(new RegExp(`waits for ${blocking}, which is ${state} and holds its key until`));
    expect(await view(blocking)).toMatchObject({ holdsKeys: true, why: expect.stringContaining(`bowline command skip ${blocking}`) as string });
    expect([(await act(blocking, "skip")).body.holdsKeys, (await act(blocking, "skip")).status]).toEqual([false, 200]);
    expect(await leased()).toEqual([next]);
  });

  test("gives its hold to its retry, whose success lets go and whose failure does not", async () => {
    await end(blocking, "failed");
    const second = (await act(blocking, "retry")).body.id;
    expect((await view(blocking)).holdsKeys).toBe(false);
    await end(second, "failed");
    expect(await leased()).toEqual([]);
    const third = (await act(second, "retry")).body.id;
    await end(third, "succeeded");
    expect(await leased()).toEqual([next]);
  });

  test.each(["cancel", "abandon"])("and is taken back by %s lets go: that was somebody's wish", async (verb) => {
    await act(blocking, verb);
    expect(await leased()).toContain(next);
  });

  test("cannot be skipped before it has ended, nor when it succeeded", async () => {
    expect((await act<Problem>(blocking, "skip")).body).toMatchObject({ status: 409, detail: "it has not ended: it is queued" });
    await end(blocking, "succeeded");
    expect((await act<Problem>(blocking, "skip")).body).toMatchObject({ status: 409, detail: "it has ended: succeeded: it succeeded" });
  });

  test("leaves nothing behind when its record goes", async () => {
    await end(blocking, "failed");
    await bench.relay.store.call("purgeRecords", { nowMs: bench.relay.nowMs + 40 * dayMs });
    expect(await bench.relay.rows("SELECT command FROM command_targets WHERE command = ?", blocking)).toEqual([]);
    await bench.relay.store.call("unblockCommands", { site: bench.relay.site, nowMs: bench.relay.nowMs });
    expect(await leased()).toContain(next);
  });
});

test("a retry takes the place of no newer order of its collapse key", async () => {
  const first = await give("1", { collapseKey: "c" });
  await end(first, "failed");
  const newer = await give("2", { collapseKey: "c" });
  await act(first, "retry");
  expect((await view(newer)).state).toBe("queued");
});
