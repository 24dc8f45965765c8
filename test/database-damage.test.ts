// What the agent's database survives: bits that flip in the file and in its log, logs that lose their end, copies of another day in its place. Whatever is acknowledged
// is there and unchanged, or the damage is found, and what still holds goes over into a new database with the alarm in it. Seeded; a failure names its flip.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAnew } from "../agent/quarantine.ts";
import * as agentModule from "../agent/store/operations.ts";
import { disproofOf, parseWitness, witnessText, type Witness } from "../agent/witness.ts";
import { asFault } from "../shared/kit/errors.ts";
import { seededRandom } from "../shared/kit/random.ts";
import { openStoreInline, query, type Operation, type SqlRow, type Store } from "../shared/kit/store.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

function* rows(args: { readonly sql: string }): Operation<SqlRow[]> {
  return yield* query(args.sql);
}
const module = { ...agentModule, operations: { ...agentModule.operations, rows } } as const;
type TestStore = Store<typeof module.operations>;

const seed = 20_261_125;
/** Of each file; FLIPS=N for more. */
const flips = Number(process.env["FLIPS"] ?? 25);
/** Of what is found, every so many are carried over into a new database. */
const renewEvery = 8;
const tables = ["facts", "counters", "trust", "seen", "floors", "commands", "command_targets", "carried", "outbox"] as const;
const dir = makeTempDir("damage");
const file = join(dir, "agent.db");
/** The files as they were when the witness was written, and an older copy of them. */
const good = join(dir, "good.db");
const older = join(dir, "older.db");
const dayMs = 86_400_000;
let witness: Witness;
let content: string;
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const open = (path = file): TestStore => openStoreInline<typeof module.operations>({ file: path, module, mustExist: true });
const contentOf = async (store: TestStore): Promise<string> => JSON.stringify(await Promise.all(tables.map((table) => store.call("rows", { sql: `SELECT * FROM ${table} ORDER BY 1, 2` }))));

function put(from: string, to: string): void {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${to}${end}`, { force: true });
  for (const end of ["", "-wal"]) if (existsSync(`${from}${end}`)) copyFileSync(`${from}${end}`, `${to}${end}`);
}

async function store(at: TestStore, index: number, rest: object = {}): Promise<void> {
  const body = Buffer.from(`body ${index} `.repeat(60));
  await at.call("storeCommand", { id: `c-${index}`, relayEpoch: 1, ord: index, after: null, lane: "deploy", kind: "apply", cls: "write", header: JSON.stringify({ iat: index }), body, bodyHash: createHash("sha256").update(body).digest("hex"), keys: [{ key: `k-${index}`, isOwn: true }], nbfMs: 0, deadlineMs: 30 * dayMs, kid: "kid", seq: index + 1, floor: 0, fence: 1, nowMs: 1_000, ...rest });
}

/** Commands in every state, letters of every kind. */
async function work(at: TestStore, from: number): Promise<void> {
  for (let index = from; index < from + 12; index += 1) await store(at, index);
  const claimed: string[] = [];
  for (let count = 0; count < 8; count += 1) claimed.push((await at.call("claimCommand", { nowMs: 2_000, errorMs: 0 }))!.id);
  for (const id of claimed.slice(0, 6)) await at.call("settleCommand", { id, outcome: { state: "succeeded", what: "done", code: null, objects: [] }, startedMs: 2_000, nowMs: 3_000 });
  await at.call("markEffect", { id: claimed[6]!, cleanup: "a Job" });
  const leased = await at.call("leaseOwn", { letters: 8, octets: 1_000_000, octetsMax: 1_000_000, fence: from, nowMs: 4_000, siteId: "s_1", epoch: 1, kid: "00" });
  for (const { id } of leased) await at.call("ownReceipt", { id, fence: from, nowMs: 4_000 });
}

beforeAll(async () => {
  const first = openStoreInline<typeof module.operations>({ file, module });
  await first.call("putFacts", { facts: { agentEpoch: "e-1", relay: JSON.stringify({ urls: ["https://relay.test"] }), site: "s_1", name: "anvil" } });
  await first.call("takeWelcome", { facts: {}, documents: [{ version: 1, envelope: Buffer.alloc(500, 7) }] });
  await first.call("draw", { name: "dial", count: 100 });
  await work(first, 0);
  put(file, older);
  await first.close(); // into the file itself
  const second = open();
  await work(second, 20);
  await second.close();
  const third = open();
  for (let index = 32; index < 38; index += 1) await store(third, index);
  witness = await third.call("witnessState", null);
  content = await contentOf(third);
  put(file, good); // while it is open: its log holds what came last, and nothing else
  await third.close();
});

interface Found {
  readonly why: string | null;
  readonly content: string;
}

/** As at a start: opened and compared with the witness. */
async function start(): Promise<Found> {
  let opened: TestStore;
  try {
    opened = open();
  } catch (error) {
    const fault = asFault(error);
    if (fault.code !== "STORE_CORRUPT") throw error;
    return { why: fault.why, content: "" };
  }
  try {
    return { why: await disproofOf(opened as never, witness), content: await contentOf(opened) };
  } finally {
    await opened.close();
  }
}

async function anew(why: string): Promise<TestStore> {
  const making = join(dir, "new.db");
  await makeAnew({ file, making, why, nowMs: 5_000, witnesses: [witness] });
  return open(making);
}

const ids = async (at: TestStore, sql: string): Promise<string[]> => (await at.call("rows", { sql })).map(({ id }) => String(id));

test("the files are taken as they are when nothing has happened to them, also with a witness that lags", async () => {
  put(good, file);
  expect(await start()).toEqual({ why: null, content });
  const opened = open();
  await store(opened, 99);
  await opened.close();
  expect((await start()).why).toBeNull();
});

describe.each([["the database", ""], ["its log", "-wal"]])("a bit that flips in %s", (_what, end) => {
  test("is found, or changes nothing", { timeout: 120_000 }, async () => {
    const random = seededRandom(seed);
    const whole = readFileSync(`${good}${end}`);
    const counts = { found: 0, harmless: 0 };
    for (let flip = 0; flip < flips; flip += 1) {
      const [at, bit] = [Math.floor(random() * whole.length), Math.floor(random() * 8)];
      put(good, file);
      const octets = Buffer.from(whole);
      octets[at]! ^= 1 << bit;
      writeFileSync(`${file}${end}`, octets);
      const label = `octet ${at}, bit ${bit}`;
      const found = await start().catch((error: unknown) => ({ why: `${label}: ${String(error)}`, content: "refused" }));
      expect([label, found.content]).not.toEqual([label, "refused"]);
      if (found.why === null) {
        counts.harmless += 1;
        expect([label, found.content === content]).toEqual([label, true]);
        continue;
      }
      counts.found += 1;
      if (counts.found % renewEvery !== 1) continue;
      const renewed = await anew(found.why);
      expect([label, await ids(renewed, "SELECT id FROM outbox WHERE id LIKE 'quarantined-%'")]).toEqual([label, [expect.anything()]]);
      expect([label, await renewed.call("rows", { sql: "SELECT floor FROM floors WHERE kid = 'kid'" })]).toEqual([label, [{ floor: 38 }]]);
      await renewed.close();
    }
    expect(counts.found).toBeGreaterThan(flips / 20);
  });
});

describe("a database that is found out", () => {
  const expectRenewed = async (why: RegExp): Promise<TestStore> => {
    const found = await start();
    expect(found.why).toMatch(why);
    return anew(found.why!);
  };

  test("an old copy in its place", async () => {
    put(older, file);
    const renewed = await expectRenewed(/an old copy, or a log that lost its end/);
    expect(await ids(renewed, "SELECT id FROM commands ORDER BY id")).toEqual(["c-0", "c-1", "c-2", "c-3", "c-4", "c-5"]);
    await renewed.close();
  });

  test("an old copy that was written since, past the commit that the witness knows", async () => {
    put(older, file);
    const opened = open();
    for (let index = 0; (await opened.call("witnessState", null)).seq <= witness.seq; index += 1) await opened.call("postEvent", { id: `e-${index}`, atMs: 1, event: "link", what: "x" });
    await opened.close();
    const renewed = await expectRenewed(/is not the one that the witness has seen/);
    await renewed.close();
  });

  test("a log that lost its end", async () => {
    put(good, file);
    const { length } = readFileSync(`${file}-wal`);
    truncateSync(`${file}-wal`, Math.floor(length / 2));
    await (await expectRenewed(/a log that lost its end/)).close();
  });

  test("a log that is gone", async () => {
    put(good, file);
    rmSync(`${file}-wal`);
    await (await expectRenewed(/a log that lost its end/)).close();
  });

  test("a database of another epoch", async () => {
    put(good, file);
    const opened = open();
    await opened.call("putFacts", { facts: { agentEpoch: "another" } });
    await opened.close();
    await (await expectRenewed(/another database/)).close();
  });
});

describe("the new database", () => {
  let renewed: TestStore;
  beforeAll(async () => {
    put(good, file);
    renewed = await anew("for the test");
  });
  afterAll(() => renewed.close());

  test("has what has ended and the results that wait, and leaves what was open to the relay", async () => {
    const old = open();
    const results = await ids(old, "SELECT id FROM outbox WHERE kind = 'result' ORDER BY id");
    const ended = await ids(old, "SELECT id FROM commands WHERE state IN ('outcome', 'reported') ORDER BY id");
    await old.close();
    expect(results.length).toBeGreaterThan(0);
    expect(await ids(renewed, "SELECT id FROM outbox WHERE kind = 'result' AND state = 'waiting' ORDER BY id")).toEqual(results);
    expect(await ids(renewed, "SELECT id FROM commands ORDER BY id")).toEqual(ended);
    expect(await ids(renewed, "SELECT id FROM outbox WHERE kind IN ('claim', 'report')")).toEqual([]);
    expect(await ids(renewed, "SELECT id FROM carried ORDER BY id")).toEqual(["c-22", "c-23", "c-6", "c-7"]);
  });

  test("says what happened, and goes on with numbers above the old ones", async () => {
    const facts = await renewed.call("allFacts", null);
    expect(facts).toMatchObject({ site: "s_1", name: "anvil", formerEpochs: '["e-1"]' });
    expect(facts.agentEpoch).not.toBe("e-1");
    expect(JSON.parse(facts.quarantined!)).toMatchObject({ why: "for the test", told: expect.stringContaining("open commands are the relay's to send again") });
    expect(await renewed.call("draw", { name: "dial" })).toBeGreaterThan(100);
    expect(await disproofOf(renewed as never, witness)).toBeNull(); // one that was written before it proves nothing against it
  });

  test("takes no envelope again that was taken before, and a begun command as begun when it is sent again", async () => {
    await expect(store(renewed, 200, { seq: 32 })).rejects.toMatchObject({ code: "ENVELOPE_REPLAYED" });
    const body = Buffer.from("body 6 ".repeat(60));
    await store(renewed, 6, { seq: 1_000, body });
    expect(await renewed.call("claimCommand", { nowMs: 2_000, errorMs: 0 })).toMatchObject({ id: "c-6", hasEffect: true });
  });

  test("does not run what may run once only and was asked before its birth, and says so; what was asked since runs", async () => {
    await renewed.call("putFacts", { facts: { bornMs: "10000" } });
    await store(renewed, 300, { seq: 2_000, kind: "fire", header: JSON.stringify({ iat: 9_999 }) });
    await store(renewed, 301, { seq: 2_001, kind: "fire", header: JSON.stringify({ iat: 10_001 }) });
    await store(renewed, 302, { seq: 2_002, header: JSON.stringify({ iat: 9_999 }) });
    expect(await renewed.call("rows", { sql: "SELECT id, state FROM commands WHERE id IN ('c-300', 'c-301', 'c-302') ORDER BY id" })).toEqual([{ id: "c-300", state: "outcome" }, { id: "c-301", state: "ready" }, { id: "c-302", state: "ready" }]);
    const [letter] = await renewed.call("rows", { sql: "SELECT body FROM outbox WHERE id = 'result-c-300'" });
    expect(JSON.parse(Buffer.from(letter!["body"] as Uint8Array).toString("utf8"))).toMatchObject({ outcome: { state: "outcome-unknown", what: expect.stringContaining("may not run twice") } });
  });
});

test("a witness that was changed by itself is none", () => {
  const text = witnessText(witness);
  expect(parseWitness(text)).toEqual(witness);
  expect([parseWitness(text.replace(`"seq":${witness.seq}`, `"seq":${witness.seq + 1}`)), parseWitness(text.slice(0, -9)), parseWitness("")]).toEqual([null, null, null]);
});
