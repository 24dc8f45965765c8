// The store with its thread: waiting is bounded by octets, closing ends in any case, and a thread that died is never mistaken
// for a store that works.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { codeOf } from "../../test/kit/code-of.ts";
import type { Pebbles } from "../../test/kit/pebbles.ts";
import { asFault, type Fault } from "./errors.ts";
import { openStore, type Store, type StoreOptions } from "./store.ts";

const moduleUrl = new URL("../../test/kit/pebbles.ts", import.meta.url);
let dir: string;
let opened: Store<Pebbles>[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-store-"));
});

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close().catch(() => {})));
  opened = [];
  rmSync(dir, { recursive: true, force: true });
});

async function open(options: Partial<StoreOptions> = {}): Promise<Store<Pebbles>> {
  const store = await openStore<Pebbles>({ file: join(dir, "pebbles.db"), moduleUrl, mustExist: false, ...options });
  opened.push(store);
  return store;
}

test("a thread that dies rejects what waits and ends the process by default", async () => {
  let heard: (fault: Fault) => void = () => {};
  const death = new Promise<Fault>((resolve) => (heard = resolve));
  const store = await open({ onDeath: (fault) => heard(fault) });
  const calls = [codeOf(store.call("put", { id: "a" })), codeOf(store.call("endThread", null))];
  expect((await death).code).toBe("STORE_FAILED");
  expect(await Promise.all(calls)).toEqual(["STORE_FAILED", "STORE_FAILED"]);
  expect(await codeOf(store.call("count", null))).toBe("STORE_FAILED");

  const crashing = await open({ file: join(dir, "other.db") });
  const uncaught = new Promise<unknown>((resolve) => {
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => {
      for (const listener of before) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
  void codeOf(crashing.call("endThread", null));
  expect(asFault(await uncaught).code).toBe("STORE_FAILED");
});

test("octets that wait are bounded, and one call of any size is taken by an idle store", async () => {
  const store = await open();
  const large = new Uint8Array(40 * 1_048_576);
  const first = store.call("put", { id: "a", octets: large });
  expect(await codeOf(store.call("put", { id: "b", octets: large }))).toBe("TOO_MANY");
  expect(await first).toBe("a");
  expect(await store.call("put", { id: "c", octets: new Uint8Array(70 * 1_048_576) })).toBe("c");
});

test("closing a store whose disk hangs ends after its time, and says so to whoever waits", async () => {
  const store = await open({ closeMs: 100 });
  const hanging = codeOf(store.call("hang", { ms: 60_000 }));
  const begun = performance.now();
  await store.close();
  expect(await hanging).toBe("STORE_FAILED");
  expect(performance.now() - begun).toBeLessThan(10_000);
});
