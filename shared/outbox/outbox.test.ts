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
  type LeaseRoom,
  type LeasedLetter,
  type OutboxCounts,
  type OutboxLetter,
} from "./outbox.ts";
import { OUTBOX_SCHEMA } from "./schema.ts";

const operations = {
  *put(letter: OutboxLetter): Operation<void> {
    yield* putLetter(letter);
  },
  *lease(room: LeaseRoom): Operation<LeasedLetter[]> {
    return yield* leaseLetters(room);
  },
  *remove(args: { readonly id: string }): Operation<void> {
    yield* removeLetter(args.id);
  },
  *giveBack(args: { readonly site: string; readonly id: string }): Operation<void> {
    yield* returnLetter(args.site, args.id);
  },
  *doubt(args: { readonly site: string; readonly limit: number }): Operation<string[]> {
    return yield* inDoubtLetters(args.site, args.limit);
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

const open = (): Store<typeof operations> => openStoreInline({ file, module: { operations, migrations: [OUTBOX_SCHEMA] } });
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
const lease = async (change: Partial<LeaseRoom> = {}): Promise<string[]> =>
  (await store.call("lease", { site: "a", letters: 100, octets: 1_000_000, fence: 1, ...change })).map(({ id }) => id);

test("letters leave by lane, and in their order inside a lane", async () => {
  await put("d1");
  await put("b1", { lane: "bulk" });
  await put("d2");
  await put("i1", { lane: "interactive" });
  await put("c1", { lane: "control" });
  await put("d0", { ord: 0 });
  expect(await lease()).toEqual(["c1", "i1", "d0", "d1", "d2", "b1"]);
});

test("a letter is handed over as it was put", async () => {
  await put("d1", { kind: "result", afterId: "d0", body: Buffer.from([0, 1, 255]) });
  const [letter] = await store.call("lease", { site: "a", letters: 1, octets: 10_000, fence: 1 });
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
  expect(await store.call("doubt", { site: "a", limit: 10 })).toEqual(["d1", "d2"]);
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

  test("that comes back refused gives way to a newer one", async () => {
    await report("r1");
    await lease();
    await report("r2");
    await store.call("giveBack", { site: "a", id: "r1" });
    expect(await store.call("rows", null)).toEqual(["r2 waiting"]);
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
    await store.call("giveBack", { site: "a", id: "d1" });
    expect(await lease()).toEqual(["d1", "d3"]);
  });

  test("is nothing when it was settled, or never left", async () => {
    await put("d1");
    await store.call("giveBack", { site: "a", id: "d1" });
    await store.call("giveBack", { site: "a", id: "gone" });
    expect(await store.call("rows", null)).toEqual(["d1 waiting"]);
  });
});

test("sites do not mix", async () => {
  await put("a1");
  await put("b1", { site: "b" });
  expect(await lease({ site: "b" })).toEqual(["b1"]);
  expect(await store.call("doubt", { site: "a", limit: 10 })).toEqual([]);
  expect(await store.call("counts", { site: "a" })).toEqual({ waiting: 1, oldestMs: 1_001 });
  expect(await store.call("counts", { site: "c" })).toEqual({ waiting: 0, oldestMs: null });
});

test("more letters in doubt than one credit allows is a bug, and said to be one", async () => {
  for (const id of ["d1", "d2", "d3"]) await put(id);
  await lease();
  expect(await store.call("doubt", { site: "a", limit: 3 })).toEqual(["d1", "d2", "d3"]);
  await expect(store.call("doubt", { site: "a", limit: 2 })).rejects.toThrow(expect.objectContaining({ code: "BUG" }));
});

test("one id is one letter", async () => {
  await put("d1");
  await expect(put("d1")).rejects.toThrow(expect.objectContaining({ code: "BUG" }));
  expect(await store.call("rows", null)).toEqual(["d1 waiting"]);
});
