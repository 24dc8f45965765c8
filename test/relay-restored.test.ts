// A relay whose database was put back from a copy, with an agent that has gone on since: both ends on real stores, with real letters and no sockets. What ended
// after the copy ends here too, with the outcome that the site has kept, and nothing runs twice.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LetterDesk } from "../agent/letter-desk.ts";
import * as agentModule from "../agent/store/operations.ts";
import type { AgentStore } from "../agent/store/store.ts";
import { leaseLetters, settleLetter, type DeliverOptions } from "../relay/command/deliver.ts";
import { takeLetter } from "../relay/status/intake.ts";
import type { RelayStore } from "../relay/store/store.ts";
import type { CommandBody, CommandOutcome } from "../shared/api.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { openStoreInline } from "../shared/kit/store.ts";
import type { CourierSide } from "../shared/outbox/courier.ts";
import { parseLetterOctets } from "../shared/outbox/letter.ts";
import { firstTrustDocument } from "../shared/trust/trust-document.ts";
import { dayMs, RelayBench } from "./kit/relay-store.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

const commandKey = makeSigningKeys();
const siteKey = makeSigningKeys();
const room = { letters: 32, octets: 1_048_576, octetsMax: 8_388_608 };
const done: CommandOutcome = { state: "succeeded", what: "1 object applied", code: null, objects: [{ ref: "ConfigMap/a", result: "created", why: "" }] };

let relay: RelayBench;
let clock: ManualClock;
let dir: string;
let agent: AgentStore;
let desk: LetterDesk;
/** Ids of commands, each time that one started. */
let started: string[];
let link: { readonly fence: number; readonly side: CourierSide };

beforeEach(async () => {
  relay = await RelayBench.open();
  clock = new ManualClock(relay.nowMs);
  dir = makeTempDir("restored");
  agent = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module: agentModule });
  const document = firstTrustDocument(makeSigningKeys(), commandKey.publicKey, clock.wallMs());
  const siteClock = { estimate: () => ({ nowMs: clock.wallMs(), errorMs: 1 }), shownMs: () => clock.wallMs() };
  desk = new LetterDesk({ store: agent, clock, siteClock, log: silentLog, siteId: relay.site, signKey: siteKey, standing: () => ({ document, epoch: 1 }), onCommand: () => {}, onCancel: () => {} });
  started = [];
});
afterEach(async () => {
  await Promise.all([relay.close(), agent.close()]);
  rmSync(dir, { recursive: true, force: true });
});

function pass(ms: number): void {
  clock.advance(ms);
  relay.nowMs = clock.wallMs();
}

/** A new link: both ends say what is in doubt, and what of the other's they hold. */
async function dial(): Promise<void> {
  const agentInDoubt = await agent.call("ownInDoubt", null);
  const { fence, inDoubt, held } = await relay.link({ agentInDoubt });
  link = { fence, side: desk.side({ fence, relayEpoch: 1, poke: () => {} }) };
  await agent.call("settleOwnDoubts", { inDoubt: agentInDoubt, held });
  await relay.store.call("settleInDoubt", { site: relay.site, fence, inDoubt, held: await desk.held(inDoubt, fence), nowMs: relay.nowMs });
}

const deliver = (): DeliverOptions => ({ store: relay.store as unknown as RelayStore, clock, log: silentLog, commandKey });

/** Everything that may leave leaves, each way, and is receipted. */
async function exchange(): Promise<void> {
  const site = { id: relay.site, signKey: siteKey.publicKey, fence: link.fence };
  for (const { id, bytes } of await leaseLetters(deliver(), site, room)) await settleLetter(deliver(), site, id, await link.side.intake(parseLetterOctets(bytes)));
  for (const { id, bytes } of await link.side.lease(room)) await link.side.settle(id, await takeLetter(deliver(), site, parseLetterOctets(bytes)));
}

async function submit(id: string): Promise<void> {
  const asked: CommandBody = { operator: "ann", tier: "admin", spec: { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: id } }], forceConflicts: false } };
  const body = Buffer.from(JSON.stringify(asked));
  await relay.submit(id, { body, bodyHash: createHash("sha256").update(body).digest("hex") });
}

async function start(): Promise<void> {
  for (;;) {
    const command = await agent.call("claimCommand", { nowMs: clock.wallMs(), errorMs: 1 });
    if (command === null) return;
    started.push(command.id);
  }
}

const settle = (id: string): Promise<void> => agent.call("settleCommand", { id, outcome: done, startedMs: clock.wallMs(), nowMs: clock.wallMs() });

/** A command that has come so far at the relay. */
const BRING = {
  queued: () => submit("a"),
  // Its letter is under way: leased, and its receipt never comes.
  offered: async () => {
    await submit("a");
    await leaseLetters(deliver(), { id: relay.site, fence: link.fence }, room);
  },
  stored: async () => {
    await submit("a");
    await exchange();
  },
  running: async () => {
    await submit("a");
    await exchange();
    await start();
    await exchange();
  },
} as const;

/** From wherever it is, to its end at both ends, and long enough after it that the site keeps a tombstone alone. */
async function endAndPurge(): Promise<void> {
  await dial();
  await exchange();
  await start();
  await settle("a");
  await exchange();
  pass(2 * 3_600_000);
  await agent.call("purgeCommands", { nowMs: clock.wallMs(), errorMs: 1 });
}

describe.each(["queued", "offered", "stored", "running"] as const)("a command that was %s in the copy and has ended since", (state) => {
  test("ends with the outcome that the site's tombstone has kept, and does not run again", async () => {
    await dial();
    await BRING[state]();
    expect(await relay.state("a")).toBe(state);
    const putBack = await relay.backup();
    await endAndPurge();
    expect(await relay.state("a")).toBe("succeeded");
    await putBack();
    expect(await relay.state("a")).toBe(state);

    await dial();
    await exchange();
    await start();
    const row = await relay.store.call("commandRow", { id: "a" });
    expect(row.state).toBe("succeeded");
    expect(JSON.parse((await relay.rows("SELECT outcome FROM commands WHERE id = 'a'"))[0]!["outcome"] as string)).toEqual({ ...done, objects: [] });
    expect(started).toEqual(["a"]);
    expect(await agent.call("ownCounts", null)).toMatchObject({ waiting: 0 });
  });
});

test("a result that waits for its next try at the agent leaves at once when the relay asks for it", async () => {
  await dial();
  await BRING.running();
  await settle("a");
  for (const { id } of await link.side.lease(room)) await link.side.settle(id, id === "result-a" ? "policy" : "committed"); // again in an hour
  await exchange();
  expect(await relay.state("a")).toBe("running");
  await dial();
  await exchange();
  expect(await relay.state("a")).toBe("succeeded");
});

test("a cancel of a command that has ended at the site brings its result", async () => {
  await dial();
  await BRING.running();
  const putBack = await relay.backup();
  await endAndPurge();
  await putBack();
  // The link is there already when the operator asks: nobody has been asked since.
  const { fence } = await relay.link();
  link = { fence, side: desk.side({ fence, relayEpoch: 1, poke: () => {} }) };
  await relay.store.call("cancelCommand", { id: "a", operator: "ann", nowMs: relay.nowMs });
  await exchange();
  expect(await relay.state("a")).toBe("succeeded");
});

test("a cancel that crossed the result on its link brings no second one; asked on another link it leaves again", async () => {
  await submit("a");
  await dial();
  await exchange();
  await start();
  await settle("a");
  await exchange();
  const asked = { ids: ["a"], fence: link.fence, nowMs: clock.wallMs() };
  await agent.call("reportEnded", asked);
  expect(await agent.call("ownInDoubt", null)).toEqual([]);
  expect((await agent.call("ownCounts", null)).waiting).toBe(0);
  await agent.call("reportEnded", { ...asked, fence: link.fence + 1 });
  expect((await agent.call("ownCounts", null)).waiting).toBe(1);
});

describe("a command that the site does not know any more", () => {
  test("ends as unknown once its deadline is over: the tombstone went with its time", async () => {
    await dial();
    await BRING.running();
    const putBack = await relay.backup();
    await endAndPurge();
    pass(40 * dayMs);
    await agent.call("purgeCommands", { nowMs: clock.wallMs(), errorMs: 1 });
    await putBack();
    await dial();
    await exchange();
    expect(await relay.state("a")).toBe("outcome-unknown");
    expect((await relay.store.call("commandRow", { id: "a" })).why).toMatch(/no record of it/);
  });

  test("stays as it is before that", async () => {
    await dial();
    await BRING.stored();
    const { fence, inDoubt } = await relay.link();
    await relay.store.call("settleInDoubt", { site: relay.site, fence, inDoubt, held: [], nowMs: relay.nowMs });
    expect([inDoubt, await relay.state("a")]).toEqual([["a"], "stored"]);
  });
});

test("a WELCOME names the letters in doubt first, then what should be at the site by its deadline, and no more than it has room for", async () => {
  const first = await relay.link();
  const ids = Array.from({ length: 130 }, (_value, index) => `c-${index}`);
  await relay.inOneGroup(ids.map((id, index) => ({ name: "submitCommand", args: relay.command(id, { deadlineMs: relay.nowMs + dayMs - index }) })));
  for (let left = ids.length; left > 0; ) {
    const leased = await relay.leased(first.fence);
    left -= leased.length;
    await relay.inOneGroup(leased.map((id) => ({ name: "settleLetter", args: { site: relay.site, id, fence: first.fence, status: "committed", nowMs: relay.nowMs } })));
  }
  await relay.submit("letter");
  await relay.leased(first.fence);
  const { inDoubt } = await relay.link();
  expect(inDoubt).toHaveLength(128);
  expect(inDoubt.slice(0, 3)).toEqual(["letter", "c-129", "c-128"]);
});
