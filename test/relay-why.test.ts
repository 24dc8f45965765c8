// Why a command is not further, as a person reads it, and its place in line: in every state, linked or not, behind another, with a cancel asked, past its deadline.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CommandView } from "../shared/api.ts";
import { ApiBench } from "./kit/api-bench.ts";

let bench: ApiBench;
let fence: number;
let isLinked: boolean;
beforeEach(async () => {
  bench = await ApiBench.open();
  ({ fence } = await bench.relay.link());
  isLinked = false;
  const { roster } = bench.core;
  Object.assign(roster, { find: () => (isLinked ? { sinceMs: 0, roundTripMs: 1, link: { openStreams: 0 }, poke: () => {} } : null) });
});
afterEach(() => bench.close());

const view = async (id: string): Promise<CommandView> => (await bench.ask<CommandView>("GET", `/commands/${id}`)).body;
const since = "2023-11-14T22:13:20.000Z";

test.each([
  ["queued", "about to leave", `the site is offline since ${since}; it leaves when the site returns`],
  ["blocked", "the site has no room to store it; it is offered again", "the site has no room to store it; it is offered again"],
  ["offered", "on its way", `the link ended while it was on its way; the site is offline since ${since}, and will say whether it has it`],
  ["stored", "stored at the site", `stored at the site; the site is offline since ${since}, and runs it by itself`],
  ["running", "running at the site", `was running when the link ended; the site is offline since ${since}, and sends its result when it returns`],
] as const)("a %s command says why it is not further", async (state, linked, away) => {
  await bench.relay.bring(fence, "a", state);
  const said: string[] = [(await view("a")).why];
  isLinked = true;
  said.unshift((await view("a")).why);
  expect(said).toEqual([linked, away]);
});

test("one whose site has not told yet what it knows, after the relay was put back from a copy, says so", async () => {
  isLinked = true;
  await bench.relay.submit("a");
  await bench.relay.link({ given: { relayEpoch: 4, fence: 0, order: 0, trustVersion: 1 } });
  expect((await view("a")).why).toBe("this relay was put back from a copy; it leaves when the site has told what it knows");
});

test("one that is stored past its deadline is expiring, unconfirmed; one with a cancel asked says so", async () => {
  await bench.relay.bring(fence, "a", "stored");
  bench.advance(8 * 86_400_000);
  expect((await view("a")).why).toBe("its deadline passed; expiring, unconfirmed until the site says so");
  await bench.ask("POST", "/commands/a/cancel", { body: {} });
  expect((await view("a")).why).toBe("cancel asked by ann");
});

test("a command knows its place at the site and in its key, and whom it waits for, until it has ended", async () => {
  for (const [id, key] of [["a", "x"], ["b", "y"], ["c", "x"], ["d", "x"]] as const) await bench.relay.submit(id, { keys: [{ key, isOwn: true }] });
  expect((await view("d")).position).toEqual({ inSite: { n: 4, of: 4 }, inKey: { n: 3, of: 3 }, behind: "c" });
  expect((await view("b")).position).toEqual({ inSite: { n: 2, of: 4 }, inKey: { n: 1, of: 1 }, behind: null });
  expect((await view("c")).why).toMatch(/; it begins when a has ended$/);
  await bench.relay.result(fence, "a");
  expect((await view("c")).position).toEqual({ inSite: { n: 2, of: 3 }, inKey: { n: 1, of: 2 }, behind: null });
  expect((await view("a")).position).toBeUndefined();
});

test("every offer is counted", async () => {
  await bench.relay.bring(fence, "a", "blocked");
  await bench.relay.store.call("unblockCommands", { site: bench.relay.site, nowMs: bench.relay.nowMs });
  await bench.relay.leased(fence);
  expect((await view("a")).offers).toBe(2);
});
