// The keeper of the database's witness: how often it writes, what it does when a place cannot be written or knows better, and the folder that is opened by it.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openAgentFolder, type AgentFolder } from "../../agent/folder.ts";
import { secretWitness } from "../../agent/kube/witness-secret.ts";
import type { KubeAnswer, KubeCall } from "../../agent/kube/objects.ts";
import type { Aside } from "../../agent/quarantine.ts";
import type { QuarantineRecord } from "../../agent/store/carry.ts";
import * as agentModule from "../../agent/store/operations.ts";
import type { AgentStore } from "../../agent/store/store.ts";
import { fileWitness, parseWitness, WitnessKeeper, witnessText, type Renewal, type WitnessPlace } from "../../agent/witness.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import { openStoreInline, query, type Operation, type Store } from "../../shared/kit/store.ts";
import { makeTempDir } from "../kit/temp-dir.ts";

/** A disk changes a letter under an open database. */
function* tear(_args: null): Operation<void> {
  yield* query("UPDATE outbox SET row_sum = x'00'");
}
const module = { ...agentModule, operations: { ...agentModule.operations, tear } } as const;

let dir: string;
let clock: ManualClock;
beforeEach(() => {
  dir = makeTempDir("witness");
  clock = new ManualClock(1_000_000);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A place in memory that can fail. */
class MemoryPlace implements WitnessPlace {
  readonly name: "file" | "secret";
  readonly everyMs = 1_000;
  text: string | null = null;
  writes = 0;
  isDown = false;

  constructor(name: "file" | "secret") {
    this.name = name;
  }
  async read(): Promise<string | null> {
    if (this.isDown) throw new Error("it is away");
    return this.text;
  }
  async write(text: string): Promise<void> {
    if (this.isDown) throw new Error("it is away");
    this.writes += 1;
    this.text = text;
  }
}

describe("the keeper", () => {
  let store: AgentStore;
  let keeper: WitnessKeeper;
  let disproved: Renewal[];
  beforeEach(async () => {
    store = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module });
    await store.call("putFacts", { facts: { agentEpoch: "e-1", relay: "{}" } });
    disproved = [];
    keeper = new WitnessKeeper({ store, clock, log: silentLog, onDisproof: (renewal) => disproved.push(renewal) });
  });
  afterEach(() => store.close());

  const event = (id: string): Promise<void> => keeper.store.call("postEvent", { id, atMs: 1, event: "link", what: "x" });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turns();
  };
  const last = async (): Promise<number> => (await store.call("witnessState", null)).seq;
  const seqOf = (place: MemoryPlace): number => parseWitness(place.text!)!.seq;

  test("writes once for many commits, not again when nothing was committed, and has the last word of a clean stop", async () => {
    const place = new MemoryPlace("file");
    keeper.open([place]);
    await pass(1);
    await pass(1_000);
    expect(place.writes).toBe(2); // that there is a witness was noted after the first
    for (let index = 0; index < 50; index += 1) await event(`e-${index}`);
    await pass(1_000);
    expect([place.writes, seqOf(place)]).toEqual([3, await last()]);
    for (let look = 0; look < 5; look += 1) {
      await keeper.store.call("ownCounts", null);
      await pass(1_000);
    }
    expect(place.writes).toBe(3);
    await event("last");
    await keeper.end();
    expect([place.writes, seqOf(place)]).toEqual([4, await last()]);
  });

  test("says that a place is away, holds nobody up, and catches up when it is back", async () => {
    const place = new MemoryPlace("secret");
    place.isDown = true;
    keeper.open([place]);
    await pass(1);
    await event("e-1");
    expect(keeper.health()).toEqual([{ id: "witness-secret", what: expect.stringContaining("it is away") }]);
    place.isDown = false;
    await pass(30_000);
    await pass(1_000);
    expect([keeper.health(), seqOf(place)]).toEqual([[], await last()]);
  });

  test("keeps the chain's links until every place has passed them, and then lets them go", async () => {
    const [file, secret] = [new MemoryPlace("file"), new MemoryPlace("secret")];
    secret.isDown = true;
    keeper.open([file, secret]);
    await pass(1);
    for (let index = 0; index < 300; index += 1) await event(`e-${index}`);
    await pass(1_000);
    expect((await store.call("chainAt", { seq: 0 })).least).toBe(0);
    secret.isDown = false;
    await pass(30_000);
    await event("more");
    await pass(1_000);
    const { least } = await store.call("chainAt", { seq: 0 });
    expect(least).toBeGreaterThan(256);
    expect(least).toBeLessThanOrEqual(Math.min(seqOf(file), seqOf(secret)));
  });

  test("finds out by a place that was not put back with the folder, and overwrites nothing there", async () => {
    const place = new MemoryPlace("secret");
    const ahead = { ...(await store.call("witnessState", null)), seq: 1_000 };
    place.text = witnessText(ahead);
    keeper.open([place]);
    await pass(1);
    await keeper.end();
    expect([disproved, place.writes]).toEqual([[{ why: expect.stringMatching(/an old copy.*secret/), witness: ahead }], 0]);
  });

  test("hears of a row that was damaged while the agent runs, as soon as that row is to be used; another trouble is no damage", async () => {
    await event("e-1");
    await expect(keeper.store.call("settleCommand", { id: "nobody's" } as never)).rejects.toMatchObject({ code: "COMMAND_UNKNOWN" });
    expect(disproved).toEqual([]);
    await (store as unknown as Store<{ tear: () => Operation<void> }>).call("tear", null as never);
    await expect(keeper.store.call("leaseOwn", { letters: 1, octets: 10_000, octetsMax: 10_000, fence: 1, nowMs: 1, siteId: "s", epoch: 1, kid: "00" })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(disproved).toEqual([{ why: expect.stringContaining("not what was written"), witness: null }]);
  });
});

describe("the Secret", () => {
  test("is read and patched as the agent itself, by its name, and what stands in the way is said", async () => {
    writeFileSync(join(dir, "namespace"), "bowline-system\n");
    const calls: KubeCall[] = [];
    let answer: KubeAnswer = { status: 200, body: {} };
    const place = secretWitness({ call: async (call) => (calls.push(call), answer) }, dir);
    expect(await place.read()).toBeNull();
    await place.write("abc");
    answer = { status: 200, body: { data: { witness: Buffer.from("abc").toString("base64") } } };
    expect(await place.read()).toBe("abc");
    expect(calls.map(({ method, path, as }) => [method, path, as])).toEqual(["GET", "PATCH", "GET"].map((method) => [method, "/api/v1/namespaces/bowline-system/secrets/bowline-agent-witness", "itself"]));
    expect(calls[1]).toMatchObject({ contentType: "application/merge-patch+json", body: { data: { witness: "YWJj" } } });
    answer = { status: 403, body: { message: "no" } };
    await expect(place.read()).rejects.toMatchObject({ why: "no", hint: expect.stringContaining("manifest") });
  });
});

describe("the folder", { timeout: 120_000 }, () => {
  const told: QuarantineRecord[] = [];
  const aside = (change: Partial<Aside> = {}): Aside => ({ renewal: null, acceptNew: false, onQuarantine: (record) => told.push(record), ...change });
  const file = (): string => join(dir, "agent.db");

  /** Opened, joined, witnessed, closed. */
  async function made(): Promise<AgentFolder> {
    const folder = await openAgentFolder(dir);
    await folder.store.call("putFacts", { facts: { relay: "{}", site: folder.siteId, name: "anvil" } });
    await witness(folder);
    await folder.store.close();
    return folder;
  }

  async function witness({ store }: AgentFolder): Promise<void> {
    const keeper = new WitnessKeeper({ store, clock, log: silentLog, onDisproof: () => {} });
    keeper.open([fileWitness(dir)]);
    await keeper.end();
    expect(keeper.health()).toEqual([]);
  }

  async function opened(change: Partial<Aside> = {}): Promise<{ readonly epoch: string; readonly trouble: string; readonly facts: Record<string, string> }> {
    told.length = 0;
    const { store, agentEpoch, witnessTrouble } = await openAgentFolder(dir, aside(change));
    const facts = (await store.call("allFacts", null)) as Record<string, string>;
    await store.close();
    return { epoch: agentEpoch, trouble: witnessTrouble, facts };
  }

  test("has a witness that its owner alone can read; without one it is taken as it is, and later that is said", async () => {
    const { agentEpoch } = await made();
    expect(statSync(join(dir, "witness")).mode & 0o777).toBe(0o600);
    expect(await opened()).toMatchObject({ epoch: agentEpoch, trouble: "" });
    writeFileSync(join(dir, "witness"), "{");
    expect(await opened()).toMatchObject({ epoch: agentEpoch, trouble: expect.stringContaining("damaged") });
    rmSync(join(dir, "witness"));
    expect(await opened()).toMatchObject({ epoch: agentEpoch, trouble: expect.stringContaining("gone") });
    expect(told).toEqual([]);
  });

  test("puts an old copy aside, keeps it, says so, and opens the new one again as it is", async () => {
    const folder = await made();
    cpSync(file(), join(dir, "copy"));
    const again = await openAgentFolder(dir);
    await again.store.call("putFacts", { facts: { name: "plant" } });
    await witness(again);
    await again.store.close();
    cpSync(join(dir, "copy"), file());

    await expect(openAgentFolder(dir)).rejects.toMatchObject({ code: "STORE_CORRUPT", hint: expect.stringContaining("agent run") }); // who only looks
    const renewed = await opened();
    expect(renewed.epoch).not.toBe(folder.agentEpoch);
    expect(renewed.facts).toMatchObject({ site: folder.siteId, formerEpochs: JSON.stringify([folder.agentEpoch]) });
    expect(told).toEqual([{ atMs: expect.any(Number), why: expect.stringContaining("an old copy"), told: expect.stringContaining("carried over") }]);
    const [place] = readdirSync(join(dir, "quarantine"));
    expect(readdirSync(join(dir, "quarantine", place!)).sort()).toEqual(["agent.db", "why.json"]);
    expect((await opened()).epoch).toBe(renewed.epoch);
    expect(told).toEqual([]);
  });

  test("keeps the newest three of what was put aside", async () => {
    await made();
    for (let round = 1; round <= 5; round += 1) await opened({ renewal: { why: `round ${round}`, witness: null } });
    const kept = readdirSync(join(dir, "quarantine")).sort();
    expect(kept.map((name) => (JSON.parse(readFileSync(join(dir, "quarantine", name, "why.json"), "utf8")) as { why: string }).why)).toEqual(["round 3", "round 4", "round 5"]);
  });

  test("of which the database is cut short goes on with what the witness knows; one that is gone needs a word", async () => {
    await made();
    truncateSync(file(), 2_000);
    expect((await opened()).facts).toMatchObject({ relay: "{}", name: "anvil" });
    rmSync(file());
    await expect(openAgentFolder(dir, aside())).rejects.toMatchObject({ code: "STORE_CORRUPT", hint: expect.stringContaining("--accept-new-database") });
    expect((await opened({ acceptNew: true })).facts).toMatchObject({ relay: "{}", name: "anvil" });
    rmSync(file());
    rmSync(join(dir, "witness"));
    await expect(openAgentFolder(dir, aside({ acceptNew: true }))).rejects.toMatchObject({ code: "STORE_CORRUPT", hint: expect.stringContaining("join again") });
  });

  test("that was left between two steps of a move is finished at the next start", async () => {
    await made();
    const { epoch } = await opened({ renewal: { why: "a test", witness: null } });
    const [place] = readdirSync(join(dir, "quarantine"));
    cpSync(file(), `${file()}.next`);
    rmSync(file());
    writeFileSync(`${file()}-wal`, "the old one's log");
    expect((await opened()).epoch).toBe(epoch);
    expect(existsSync(`${file()}.next`)).toBe(false);
    expect(readFileSync(join(dir, "quarantine", place!, "agent.db-wal"), "utf8")).toBe("the old one's log");
  });
});
