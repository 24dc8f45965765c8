// A link at the relay as its agent sees it: no letter before the agent has said what it holds, and what an agent that never says it, or says it otherwise, gets.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Roster } from "../relay/agents/roster.ts";
import { serveLink, type ServeOptions } from "../relay/agents/serve-link.ts";
import { leaseLetters, settleLetter } from "../relay/command/deliver.ts";
import type { RelayStore } from "../relay/store/store.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { FixedPacer } from "../shared/mux/pacer-type.ts";
import { Mux } from "../shared/mux/mux.ts";
import { encodeFrame } from "../shared/wire/frame.ts";
import { FakeSocket } from "./kit/fake-socket.ts";
import { dayMs, RelayBench } from "./kit/relay-store.ts";

let relay: RelayBench;
let clock: ManualClock;
let agent: Mux;
/** What the relay's link puts into its socket is read by the agent's mux; what the agent says is handed to the link. */
let socket: FakeSocket;

beforeEach(async () => {
  relay = await RelayBench.open();
  clock = new ManualClock(relay.nowMs);
});
afterEach(() => relay.close());

/** Serves a link for which the store was asked; `inDoubt` is what its WELCOME named. */
function serve(fence: number, inDoubt: readonly string[]): void {
  const credit = { letters: 128, octets: 8_388_608 };
  agent = new Mux({ role: "agent", allocate: (octets) => new Uint8Array(octets), peerStartCredit: 65_536, ownStartCredit: 65_536, peerLetterCredit: credit, ownLetterCredit: credit, random: () => 0.5, wallMs: () => 0, pacer: new FixedPacer(1_048_576) }, 0);
  socket = new FakeSocket((message) => agent.receive(message, clock.monoMs()));
  const deliver = { store: relay.store as unknown as RelayStore, clock, log: silentLog, commandKey: makeSigningKeys() };
  const options: ServeOptions = {
    store: deliver.store,
    roster: new Roster(clock.wallMs()),
    clock,
    random: () => 0.5,
    log: silentLog,
    courierSide: (site) => ({ lease: (room) => leaseLetters(deliver, site, room), settle: (id, status) => settleLetter(deliver, site, id, status), intake: async () => "committed" }),
  };
  const hello = { agentEpoch: "e-1", relayEpoch: 1, trustVersion: 1, startCredit: 65_536, letterCredit: credit, inDoubt: [], version: "1", freeOctets: 1, outbox: 0 };
  const site = { id: relay.site, name: "anvil", signKey: "key" };
  serveLink(options, socket.port, { fence, dial: 1, hello } as never, { site, welcome: { inDoubt } } as never);
}

async function letters(): Promise<number> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const effects = agent.effects();
  bye = effects.find((effect) => effect.kind === "bye") ?? bye;
  return effects.filter((effect) => effect.kind === "letter").length;
}
let bye: { kind: string; bye?: { code: string } } | null = null;
beforeEach(() => (bye = null));

const held = (payload: unknown): Uint8Array => encodeFrame("HELD", 0, Buffer.from(JSON.stringify(payload)));

test("no letter leaves before HELD, also when nothing is in doubt", async () => {
  const { fence, inDoubt } = await relay.link();
  await relay.submit("a");
  serve(fence, inDoubt);
  expect(await letters()).toBe(0);
  socket.say(held({ held: [] }));
  expect(await letters()).toBe(1);
});

test("what the agent holds does not leave again, what it does not hold does", async () => {
  const first = await relay.link();
  for (const id of ["a", "b"]) await relay.submit(id);
  await relay.leased(first.fence);
  const { fence, inDoubt } = await relay.link();
  expect(inDoubt).toEqual(["a", "b"]);
  serve(fence, inDoubt);
  socket.say(held({ held: ["a"] }));
  expect(await letters()).toBe(1);
  expect([await relay.state("a"), await relay.state("b")]).toEqual(["stored", "offered"]);
});

test.each([["a bare list", ["a"]], ["no list", { held: 1 }]])("HELD that is %s ends the link with its reason", async (_what, payload) => {
  const { fence, inDoubt } = await relay.link();
  serve(fence, inDoubt);
  socket.say(held(payload));
  await letters();
  expect([socket.isClosed, bye?.bye?.code]).toEqual([true, "protocol"]);
});

test("an agent that never says what it holds is sent away after a minute", async () => {
  const { fence, inDoubt } = await relay.link();
  await relay.submit("a");
  serve(fence, inDoubt);
  clock.advance(30_000);
  socket.say(encodeFrame("PONG", 0, Uint8Array.of(0, 0))); // it is alive otherwise
  clock.advance(29_000);
  expect([await letters(), socket.isClosed]).toEqual([0, false]);
  clock.advance(1_000);
  await letters();
  expect([socket.isClosed, bye?.bye?.code, await relay.state("a")]).toEqual([true, "protocol", "queued"]);
});

test("HELD twice ends the link", async () => {
  const { fence, inDoubt } = await relay.link();
  serve(fence, inDoubt);
  socket.say(held({ held: [] }));
  await letters();
  socket.say(held({ held: [] }));
  await letters();
  expect([socket.isClosed, bye?.bye?.code]).toEqual([true, "protocol"]);
});

describe("a site that does not know what it has receipted", () => {
  /** "a" is stored at the site; "b" left and has no receipt. */
  async function stored(): Promise<void> {
    const first = await relay.link();
    for (const id of ["a", "b"]) await relay.submit(id);
    await relay.leased(first.fence);
    await relay.settle(first.fence, "a");
  }

  test("is told to make its database anew, is offered nothing, and nothing of what it says is believed", async () => {
    await stored();
    await relay.submit("c");
    const { fence, inDoubt } = await relay.link();
    serve(fence, inDoubt);
    socket.say(held({ held: ["b"] }));
    expect(await letters()).toBe(0);
    expect(bye?.bye).toMatchObject({ code: "refused", reason: expect.stringMatching(/^EPOCH_DEMANDED\n.*copy\nit does not know a,/) });
    expect([socket.isClosed, await relay.state("a"), await relay.state("b"), await relay.state("c")]).toEqual([true, "stored", "offered", "queued"]);
    expect(await relay.rows("SELECT kind, what FROM events WHERE kind = 'alarm'")).toMatchObject([{ what: expect.stringContaining("put back from a copy") }]);
  });

  test("gets what may run again as soon as it has another epoch", async () => {
    await stored();
    const { fence, inDoubt } = await relay.link({ agentEpoch: "e-2" });
    serve(fence, inDoubt);
    socket.say(held({ held: [] }));
    expect(await letters()).toBe(2);
  });

  test("is not asked for it when the tombstone's time is over: that command's end is unknown, and the link goes on", async () => {
    await stored();
    relay.nowMs += 40 * dayMs;
    clock.advance(40 * dayMs);
    await relay.submit("c");
    const { fence, inDoubt } = await relay.link();
    serve(fence, inDoubt);
    socket.say(held({ held: [] }));
    expect(await letters()).toBe(1);
    expect([socket.isClosed, await relay.state("a")]).toEqual([false, "outcome-unknown"]);
  });
});

test("a body that a disk has changed is never signed: its command ends, and says so, and those behind it leave", async () => {
  const { fence, inDoubt } = await relay.link();
  for (const id of ["a", "b"]) await relay.submit(id);
  await relay.rows("UPDATE commands SET body = CAST('body of z' AS BLOB) WHERE id = 'a' RETURNING id");
  serve(fence, inDoubt);
  socket.say(held({ held: [] }));
  expect(await letters()).toBe(1);
  expect([await relay.state("a"), await relay.state("b")]).toEqual(["rejected", "offered"]);
  expect((await relay.store.call("commandRow", { id: "a" })).why).toMatch(/its body was damaged on the relay's disk/);
});
