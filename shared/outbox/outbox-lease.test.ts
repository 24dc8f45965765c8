// The outbox over a real database: what is under way is bounded whatever is granted, a receipt settles the version that left on its own link, the newer of two
// versions survives, and a letter of any size leaves in the end.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStoreInline, query, type Store } from "../kit/store.ts";
import * as outbox from "./outbox.ts";
import { OUTBOX_SCHEMA } from "./schema.ts";

const operations = {
  put: outbox.putLetter,
  lease: outbox.leaseLetters,
  isUnderWay: (args: { id: string; fence: number }) => outbox.isUnderWay(args.id, args.fence),
  remove: outbox.removeLetter,
  returnLetter: outbox.returnLetter,
  inDoubt: outbox.inDoubtLetters,
  counts: outbox.outboxCounts,
  *offerAll() {
    yield* query("UPDATE outbox SET state = 'offered', offered_fence = 1");
  },
} as const;

let dir: string;
let store: Store<typeof operations>;
let ord = 0;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-outbox-"));
  store = openStoreInline<typeof operations>({ file: join(dir, "outbox.db"), module: { operations, migrations: [OUTBOX_SCHEMA], applicationId: 1 } });
  ord = 0;
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function put(id: string, rest: Partial<outbox.OutboxLetter> = {}): Promise<void> {
  ord += 1;
  const body = Buffer.from(`body of ${id}`);
  return store.call("put", { id, site: "s", lane: "deploy", kind: "result", replaceKey: null, ord, afterId: null, body, octets: body.length, nowMs: 1_000, ...rest });
}

async function lease(rest: Partial<outbox.LeaseArgs> = {}): Promise<string[]> {
  const leased = await store.call("lease", { site: "s", fence: 1, nowMs: 2_000, letters: 32, octets: 1_048_576, octetsMax: 8_388_608, ...rest });
  return leased.map(({ id }) => id);
}

test("no more than 128 letters are ever under way, whatever the peer grants", async () => {
  for (let index = 0; index < 200; index += 1) await put(`l-${index}`);
  expect(await lease({ letters: 1_000, octets: 8_388_608 })).toHaveLength(128);
  expect(await lease({ letters: 1_000 })).toEqual([]);
  expect(await store.call("inDoubt", "s")).toHaveLength(128);
  await store.call("remove", "l-7");
  expect(await lease({ letters: 1_000 })).toEqual(["l-128"]);
});

test("more in doubt than one hello can name is no fault: the rest is named on the next link", async () => {
  for (let index = 0; index < 140; index += 1) await put(`l-${index}`);
  await store.call("offerAll", null); // as an older version would have
  const named = await store.call("inDoubt", "s");
  expect([named.length, named[0], named.at(-1)]).toEqual([128, "l-0", "l-127"]);
});

test("letters leave while their octets fit what may be under way", async () => {
  for (const id of ["a", "b", "c"]) await put(id, { octets: 400_000 });
  expect(await lease({ octetsMax: 1_048_576 })).toEqual(["a", "b"]);
});

test("one letter that is larger than what may be under way leaves alone, within the peer's credit", async () => {
  await put("large", { octets: 3_000_000 });
  await put("small");
  expect(await lease({ octetsMax: 1_048_576 })).toEqual([]); // others are under way
  expect(await lease({ octetsMax: 2_000_000 })).toEqual([]); // nothing is, and the peer has no room either
  expect(await lease({ octetsMax: 8_388_608 })).toEqual(["large"]);
  expect(await lease()).toEqual(["small"]);
});

test("of two reports in doubt that come back the newer survives, in either order", async () => {
  for (const order of [["r-1", "r-2"], ["r-2", "r-1"]]) {
    for (const id of ["r-1", "r-2"]) {
      await put(id, { replaceKey: "report", kind: "report" });
      expect(await lease()).toEqual([id]);
    }
    for (const id of order) await store.call("returnLetter", { id, notBeforeMs: 0, hasFailed: false });
    expect(await lease()).toEqual(["r-2"]);
    await store.call("remove", "r-2");
  }
});

test("a report in doubt that comes back does not replace a newer one that waits", async () => {
  await put("r-1", { replaceKey: "report" });
  await lease();
  await put("r-2", { replaceKey: "report" });
  await put("r-3", { replaceKey: "report" });
  await store.call("returnLetter", { id: "r-1", notBeforeMs: 0, hasFailed: false });
  expect(await lease()).toEqual(["r-3"]);
});

test("a letter is under way on the link that it left on, and on no other", async () => {
  await put("a");
  await lease({ fence: 4 });
  expect(await Promise.all([3, 4, 5].map((fence) => store.call("isUnderWay", { id: "a", fence })))).toEqual([false, true, false]);
  await store.call("returnLetter", { id: "a", notBeforeMs: 0, hasFailed: false });
  expect(await store.call("isUnderWay", { id: "a", fence: 4 })).toBe(false);
});

test("a letter that was refused waits for its time and holds back nobody", async () => {
  await put("a");
  await put("b");
  await lease({ letters: 1 });
  await store.call("returnLetter", { id: "a", notBeforeMs: 5_000, hasFailed: true });
  expect(await lease({ nowMs: 4_999 })).toEqual(["b"]);
  expect(await lease({ nowMs: 5_000 })).toEqual(["a"]);
  expect(await store.call("counts", "s")).toMatchObject({ waiting: 2, refused: 1 });
});

test("a bulk letter that has waited long leaves before younger ones of the lane above", async () => {
  await put("old", { lane: "bulk", nowMs: 0 });
  for (let index = 0; index < 40; index += 1) await put(`young-${index}`, { nowMs: 400_000 });
  expect((await lease({ nowMs: 400_000, letters: 4 }))[0]).toBe("old");
});
