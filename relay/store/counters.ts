// Rising numbers and the trust documents. A number is drawn inside its caller's transaction, never from a rowid: SQLite gives one out again after
// a commit that failed.
import { invariant } from "../../shared/kit/assert.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";

function* draw(name: string): Operation<number> {
  const row = yield* queryOne<{ value: number }>("UPDATE counters SET value = value + 1 WHERE name = ? RETURNING value", name);
  invariant(row !== null, "every counter exists from the first migration");
  return Number(row.value);
}

/** The rising number of a link, drawn before the site is known. */
export function* drawFence(_args: null): Operation<number> {
  return yield* draw("fence");
}

export function* putTrust(args: { readonly version: number; readonly envelope: Uint8Array; readonly nowMs: number }): Operation<void> {
  yield* query("INSERT INTO trust (version, envelope, made_ms) VALUES (?, ?, ?)", args.version, args.envelope, args.nowMs);
}

/** Documents after a version, oldest first: what a site that was away walks. `limit`: of those; all of them without. */
export function* trustAfter(args: { readonly version: number; readonly limit?: number }): Operation<Uint8Array[]> {
  const rows =
    args.limit === undefined
      ? yield* query<{ envelope: Uint8Array }>("SELECT envelope FROM trust WHERE version > ? ORDER BY version", args.version)
      : yield* query<{ envelope: Uint8Array }>("SELECT envelope FROM trust WHERE version > ? ORDER BY version LIMIT ?", args.version, args.limit);
  return rows.map((row) => row.envelope);
}
