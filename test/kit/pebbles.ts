// A store module for tests of the store itself: one table, operations that put, count, break, and end the thread. Loaded by the store's worker by its address.
import { query, queryOne, type Operation } from "../../shared/kit/store-query.ts";

export const applicationId = 0x4257_4c54;
export const migrations: readonly string[] = ["CREATE TABLE pebbles (id TEXT PRIMARY KEY, octets BYTEA)"];

function* put(args: { readonly id: string; readonly octets?: Uint8Array }): Operation<string> {
  yield* query("INSERT INTO pebbles (id, octets) VALUES (?, ?)", args.id, args.octets ?? null);
  return args.id;
}

function* count(_args: null): Operation<number> {
  return Number((yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM pebbles"))!.n);
}

function* ids(_args: null): Operation<string[]> {
  return (yield* query<{ id: string }>("SELECT id FROM pebbles ORDER BY id")).map(({ id }) => id);
}

function* clear(_args: null): Operation<void> {
  yield* query("DELETE FROM pebbles");
}

/** The thread is gone, as after a crash inside the engine. */
// oxlint-disable-next-line require-yield -- it never comes to a query
function* endThread(_args: null): Operation<void> {
  process.exit(3);
}

/** Holds the thread as a disk that hangs would. */
// oxlint-disable-next-line require-yield -- it never comes to a query
function* hang(args: { readonly ms: number }): Operation<void> {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, args.ms);
}

export const operations = { put, count, ids, clear, endThread, hang } as const;
export type Pebbles = typeof operations;
