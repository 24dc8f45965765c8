// Commands at the relay with real SQLite: accepted with their place in line and once, bounded in number and octets, expired by time alone only while they have
// not left. delivery.md sections 2, 3 and 6.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { FaultCode } from "../../shared/kit/errors.ts";
import { openStoreInline, type Store } from "../../shared/kit/store.ts";
import { StoreEngine } from "../../shared/kit/store-engine.ts";
import type { CommandRow, NewCommand } from "./commands.ts";
import * as relayModule from "./operations.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-relay-commands-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const fault = (code: FaultCode, parts: Readonly<Record<string, unknown>> = {}): unknown => expect.objectContaining({ code, ...parts });
let files = 0;
let store: Store<relayModule.RelayOperations>;
const hourMs = 3_600_000;
let nowMs = 0;

async function addSite(name: string): Promise<string> {
  const site = `s_${name}`;
  await store.call("putJoinToken", {
    id: name,
    secret: Buffer.alloc(32),
    name,
    labels: "{}",
    tier: "admin",
    binding: "exporter",
    uses: 1,
    operator: "ann",
    nowMs,
    expiresMs: nowMs + hourMs,
  });
  await store.call("joinSite", { token: name, site, signKey: name, boxKey: "b", name, labels: {}, boot: "b1", dial: 1, fence: 1, nowMs });
  await store.call("approveSite", { id: site, name, statement: Buffer.alloc(1), operator: "ann", nowMs });
  return site;
}

let file = "";
const open = (): Store<relayModule.RelayOperations> => openStoreInline<relayModule.RelayOperations>({ file, module: relayModule });

beforeEach(async () => {
  file = join(dir, `${(files += 1)}.db`);
  store = open();
  nowMs = 1_000_000;
  await addSite("plant");
  return () => store.close();
});

const plant = "s_plant";
const command = (id: string, change: Partial<NewCommand> = {}): NewCommand => ({
  id,
  siteName: "plant",
  kind: "apply",
  repeatability: "idempotent",
  lane: "deploy",
  what: `apply ${id}`,
  keys: [{ key: id, isOwn: true }],
  collapseKey: null,
  body: Buffer.from(id),
  bodyHash: `hash of ${id}`,
  operator: "ann",
  deadlineMs: nowMs + hourMs,
  runMs: hourMs,
  nowMs,
  idempotencyKey: null,
  requestHash: `hash of ${id}`,
  ...change,
});
const submit = (id: string, change: Partial<NewCommand> = {}): Promise<CommandRow> => store.call("submitCommand", command(id, change));
const stateOf = async (id: string): Promise<string> => (await store.call("commandRow", { id })).state;
const leaseIds = async (): Promise<string[]> =>
  (await store.call("leaseCommands", { site: plant, letters: 32, octets: 8_388_608, octetsMax: 8_388_608, fence: 1, kid: "00", nowMs })).map(({ id }) => id);

describe("what is accepted", () => {
  test("has the next number of its site, drawn in its own transaction: what was refused leaves no gap", async () => {
    await addSite("ship");
    expect((await submit("a")).ord).toBe(1);
    await expect(submit("a")).rejects.toThrow();
    await expect(submit("x", { siteName: "nowhere" })).rejects.toThrow(fault("SITE_UNKNOWN"));
    expect((await submit("b")).ord).toBe(2);
    expect((await submit("s", { siteName: "ship" })).ord).toBe(1);
    expect(await leaseIds()).toEqual(["a", "b"]);
  });

  test("under an Idempotency-Key is accepted once: the same again is the same command, another request is a conflict", async () => {
    const first = await submit("a", { idempotencyKey: "k" });
    expect(await submit("b", { idempotencyKey: "k", requestHash: "hash of a" })).toEqual(first);
    await expect(submit("c", { idempotencyKey: "k", requestHash: "another" })).rejects.toThrow(fault("CONFLICT", { why: "it belongs to command a" }));
    expect((await submit("d", { idempotencyKey: "k", operator: "bob" })).id, "another caller's k is another key").toBe("d");
    expect(await leaseIds()).toEqual(["a", "d"]);
  });

  test("is still answered by its key when the site is gone", async () => {
    await submit("a", { idempotencyKey: "k" });
    await store.call("endSite", { id: plant, to: "revoked", operator: "ann", nowMs });
    expect((await submit("b", { idempotencyKey: "k", requestHash: "hash of a" })).state).toBe("abandoned");
    await expect(submit("c")).rejects.toThrow(fault("SITE_UNKNOWN"));
    expect(await leaseIds()).toEqual([]);
  });

  test("has a ceiling in octets: the caller is told what fills the queue", async () => {
    await submit("large", { body: Buffer.alloc(40 * 1_048_576) });
    await expect(submit("larger", { body: Buffer.alloc(25 * 1_048_576) })).rejects.toThrow(
      fault("QUEUE_FULL", { why: "open commands hold 40 MiB, 64 MiB may be held" }),
    );
    expect((await submit("small")).ord).toBe(2);
  });
});

/** Many calls in one transaction: a thousand durable commits would take seconds. */
function inOneGroup(calls: readonly { readonly name: keyof relayModule.RelayOperations; readonly args: unknown }[]): unknown[] {
  const engine = new StoreEngine({ file, module: relayModule, mustExist: true });
  try {
    return engine.runGroup(calls).map((outcome) => (outcome.ok ? outcome.value : outcome.fault.code));
  } finally {
    engine.close();
  }
}

test("a thousand commands may be open, and one more when one has ended", async () => {
  await store.close();
  const submits = Array.from({ length: 1_001 }, (_value, index) => ({ name: "submitCommand" as const, args: command(`c${index}`) }));
  const letter = { kind: "result", command: "c0", header: "", startedMs: 5, endedMs: 9, outcome: { state: "succeeded", what: "", code: null, objects: [] } };
  const said = inOneGroup([
    ...submits,
    { name: "takeSiteLetter", args: { site: plant, id: "r", fence: 1, letter, nowMs } },
    { name: "submitCommand", args: command("again") },
  ]);
  expect(said.slice(0, 1_000).every((row) => (row as CommandRow).state === "queued")).toBe(true);
  expect([said[1_000], (said.at(-1) as CommandRow).ord]).toEqual(["QUEUE_FULL", 1_001]);
  store = open();
});

test("of a site's events the newest five hundred are kept, and the same one again changes nothing", async () => {
  await store.close();
  const event = (index: number) => ({
    name: "putEvent" as const,
    args: { id: `e${index}`, site: plant, atMs: nowMs + index, nowMs, kind: "link", what: `n${index}` },
  });
  inOneGroup([...Array.from({ length: 505 }, (_value, index) => event(index)), event(504)]);
  store = open();
  const events = await store.call("eventsOf", { site: plant, limit: 1_000 });
  expect([events.length, events[0]!.what, events.at(-1)!.what]).toEqual([500, "n504", "n5"]);
});

describe("the deadline", () => {
  test("ends what has not left, and nothing that has", async () => {
    await submit("left", { deadlineMs: nowMs + 10 });
    await leaseIds();
    await submit("waits", { deadlineMs: nowMs + 10 });
    await submit("later");
    nowMs += 11;
    expect(await store.call("expireCommands", { nowMs })).toBe(false);
    expect([await stateOf("left"), await stateOf("waits"), await stateOf("later")]).toEqual(["offered", "expired", "queued"]);
    expect(await leaseIds()).toEqual(["later"]);
  });

  test("sweeps a hundred at once, and says that there may be more", async () => {
    await store.close();
    inOneGroup(Array.from({ length: 150 }, (_value, index) => ({ name: "submitCommand" as const, args: command(`c${index}`, { deadlineMs: nowMs + 1 }) })));
    store = open();
    nowMs += 2;
    expect([await store.call("expireCommands", { nowMs }), await store.call("expireCommands", { nowMs })]).toEqual([true, false]);
    expect(await store.call("listCommands", { site: "plant", state: "expired" })).toHaveLength(150);
  });
});
