// The durable outbox with real SQLite: letters leave by lane and in order, are never taken twice, and go only by a receipt or when a newer one replaces one
// that still waits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openStoreInline, query, type Operation, type Store } from "../kit/store.ts";
import {
  inDoubtLetters,
  leaseLetters,
  letterOverheadBytes,
  outboxCounts,
  putLetter,
  removeLetter,
  returnLetter,
  type LeaseArgs,
  type LeasedLetter,
  type OutboxCounts,
  type OutboxLetter,
} from "./outbox.ts";
import { OUTBOX_SCHEMA } from "./schema.ts";

const operations = {
  *put(letter: OutboxLetter): Operation<void> {
    yield* putLetter(letter);
  },
  *lease(args: LeaseArgs): Operation<LeasedLetter[]> {
    return yield* leaseLetters(args);
  },
  *remove(args: { readonly id: string }): Operation<void> {
    yield* removeLetter(args.id);
  },
  *giveBack(args: { readonly id: string; readonly notBeforeMs: number; readonly hasFailed: boolean }): Operation<void> {
    yield* returnLetter(args);
  },
  *doubt(args: { readonly site: string }): Operation<string[]> {
    return yield* inDoubtLetters(args.site);
  },
  *counts(args: { readonly site: string }): Operation<OutboxCounts> {
    return yield* outboxCounts(args.site);
  },
  *rows(_args: null): Operation<string[]> {
    return (yield* query<{ id: string; state: string }>("SELECT id, state FROM outbox ORDER BY id")).map(({ id, state }) => `${id} ${state}`);
  },
} as const;

const dir = mkdtempSync(join(tmpdir(), "bowline-outbox-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
let file = "";
let store: Store<typeof operations>;
let ords = 0;

const open = (): Store<typeof operations> => openStoreInline({ file, module: { applicationId: 1, operations, migrations: [OUTBOX_SCHEMA] } });
beforeEach(() => {
  file = join(dir, `${(files += 1)}.db`);
  ords = 0;
  store = open();
  return () => store.close();
});

const put = (id: string, change: Partial<OutboxLetter> = {}): Promise<void> =>
  store.call("put", {
    id,
    site: "a",
    lane: "deploy",
    kind: "command",
    replaceKey: null,
    ord: (ords += 1),
    afterId: null,
    body: Buffer.from(id),
    octets: 100,
    nowMs: 1_000 + ords,
    ...change,
  });
const leaseArgs = (change: Partial<LeaseArgs>): LeaseArgs => {
  const octets = change.octets ?? 1_048_576;
  return { site: "a", letters: 100, octets, octetsMax: octets, fence: 1, nowMs: 10_000, ...change };
};
const lease = async (change: Partial<LeaseArgs> = {}): Promise<string[]> => (await store.call("lease", leaseArgs(change))).map(({ id }) => id);
const giveBack = (id: string, notBeforeMs = 0, hasFailed = false): Promise<void> => store.call("giveBack", { id, notBeforeMs, hasFailed });

test("letters leave by the weights of their lanes, control before all, and in their order inside a lane", async () => {
  await put("d1");
  await put("b1", { lane: "bulk" });
  await put("d2");
  await put("i1", { lane: "interactive" });
  await put("c1", { lane: "control" });
  await put("d0", { ord: 0 });
  expect(await lease()).toEqual(["c1", "i1", "d0", "d1", "b1", "d2"]);
});

test("a letter is handed over as it was put", async () => {
  await put("d1", { kind: "result", afterId: "d0", body: Buffer.from([0, 1, 255]) });
  const [letter] = await store.call("lease", leaseArgs({ letters: 1, octets: 10_000 }));
  expect(letter).toMatchObject({ id: "d1", lane: "deploy", kind: "result", replaceKey: null, ord: 1, afterId: "d0" });
  expect([...letter!.body!]).toEqual([0, 1, 255]);
});

test("what was taken is not taken again, not even after the process died", async () => {
  await put("d1");
  await put("d2");
  expect(await lease({ letters: 1 })).toEqual(["d1"]);
  expect(await lease()).toEqual(["d2"]);
  await store.close();
  store = open();
  expect(await lease()).toEqual([]);
  expect(await store.call("doubt", { site: "a" })).toEqual(["d1", "d2"]);
});

describe("room", () => {
  test("bounds letters and octets, each with what goes around it", async () => {
    for (const id of ["d1", "d2", "d3"]) await put(id);
    expect(await lease({ octets: 2 * (100 + letterOverheadBytes) })).toEqual(["d1", "d2"]);
    expect(await lease({ octets: 100 + letterOverheadBytes - 1 })).toEqual([]);
    expect(await lease({ letters: 0 })).toEqual([]);
    expect(await lease({ letters: 1 })).toEqual(["d3"]);
  });

  test("that is too small for the next letter lets nothing pass it: order is kept", async () => {
    await put("large", { octets: 10_000 });
    await put("small", { octets: 1 });
    expect(await lease({ octets: 5_000 })).toEqual([]);
    expect(await lease({ octets: 50_000 })).toEqual(["large", "small"]);
  });
});

describe("a letter that replaces", () => {
  const report = (id: string): Promise<void> => put(id, { kind: "report", replaceKey: "report" });

  test("takes the place of one that waits, and of nothing else", async () => {
    await report("r1");
    await put("d1");
    await report("r2");
    expect(await store.call("rows", null)).toEqual(["d1 waiting", "r2 waiting"]);
  });

  test("never touches one that is on its way: that one's receipt settles exactly what was sent", async () => {
    await report("r1");
    expect(await lease()).toEqual(["r1"]);
    await report("r2");
    await report("r3");
    expect(await store.call("rows", null)).toEqual(["r1 offered", "r3 waiting"]);
    await store.call("remove", { id: "r1" });
    expect(await lease()).toEqual(["r3"]);
  });

  test("replaces nothing of another site", async () => {
    await report("r1");
    await put("r2", { site: "b", kind: "report", replaceKey: "report" });
    expect(await store.call("rows", null)).toEqual(["r1 waiting", "r2 waiting"]);
  });
});

describe("a letter that comes back", () => {
  test("waits in its old place", async () => {
    for (const id of ["d1", "d2", "d3"]) await put(id);
    expect(await lease({ letters: 2 })).toEqual(["d1", "d2"]);
    await giveBack("d1");
    expect(await lease()).toEqual(["d1", "d3"]);
  });

  test("is nothing when it was settled, or never left", async () => {
    await put("d1");
    await giveBack("d1");
    await giveBack("gone");
    expect(await store.call("rows", null)).toEqual(["d1 waiting"]);
  });
});

test("sites do not mix", async () => {
  await put("a1");
  await put("b1", { site: "b" });
  expect(await lease({ site: "b" })).toEqual(["b1"]);
  expect(await store.call("doubt", { site: "a" })).toEqual([]);
  expect(await store.call("counts", { site: "a" })).toEqual({ waiting: 1, oldestMs: 1_001, refused: 0 });
  expect(await store.call("counts", { site: "c" })).toEqual({ waiting: 0, oldestMs: null, refused: 0 });
});

test("one id is one letter", async () => {
  await put("d1");
  await expect(put("d1")).rejects.toThrow(expect.objectContaining({ code: "BUG" }));
  expect(await store.call("rows", null)).toEqual(["d1 waiting"]);
});
