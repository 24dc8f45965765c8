// What time alone does: commands that never left expire, and what nobody needs any more goes, a few rows at a time so that no order waits for it and a full disk
// can still take the transaction. True from an operation: there may be more.
import { crashPoint } from "../../shared/kit/crash.ts";
import { query, type Operation } from "../../shared/kit/store.ts";
import { TERMINAL } from "../../shared/rules/command-state.ts";
import { endHere } from "./command-steps.ts";
import { keptMs } from "./commands.ts";
import { dropTargets } from "./targets.ts";

const rowsAtOnce = 100;
/** A command that ended without success can be tried again for this long (ms); then its body goes. */
const keptBodyMs = 7 * 86_400_000;
const ENDED = `(${TERMINAL.map((state) => `'${state}'`).join(", ")})`;

/** Commands whose deadline passed before they left. */
export function* expireCommands(args: { readonly nowMs: number }): Operation<boolean> {
  const rows = yield* query<{ id: string; site: string }>("SELECT id, site FROM commands WHERE state IN ('queued', 'blocked') AND deadline_ms < ? LIMIT ?", args.nowMs, rowsAtOnce);
  for (const row of rows) {
    yield* endHere(row, "expire", "its deadline passed before the site returned", args.nowMs);
    crashPoint("inside-expiry");
  }
  return rows.length === rowsAtOnce;
}

/** Records whose time is over: keys with their commands, operators' tokens, join tokens with their uses, orphans. An open command is never among them. */
export function* purgeRecords(args: { readonly nowMs: number }): Operation<boolean> {
  const beforeMs = args.nowMs - keptMs;
  const gone = [
    yield* query(`DELETE FROM command_keys WHERE (caller, idempotency_key) IN (SELECT caller, idempotency_key FROM command_keys WHERE expires_ms < ? LIMIT ?) RETURNING caller`, args.nowMs, rowsAtOnce),
    yield* purgeCommands(beforeMs),
    yield* query("UPDATE commands SET body = NULL WHERE id IN (SELECT id FROM commands WHERE body IS NOT NULL AND ended_ms IS NOT NULL AND ended_ms < ? LIMIT ?) RETURNING id", args.nowMs - keptBodyMs, rowsAtOnce),
    yield* query("DELETE FROM orphans WHERE (site, command) IN (SELECT site, command FROM orphans WHERE received_ms < ? LIMIT ?) RETURNING command", beforeMs, rowsAtOnce),
    yield* query("DELETE FROM operator_tokens WHERE hash IN (SELECT hash FROM operator_tokens WHERE expires_ms < ? LIMIT ?) RETURNING hash", beforeMs, rowsAtOnce),
  ];
  const tokens = yield* query<{ id: string }>("DELETE FROM join_tokens WHERE id IN (SELECT id FROM join_tokens WHERE expires_ms < ? LIMIT ?) RETURNING id", beforeMs, rowsAtOnce);
  for (const { id } of tokens) yield* query("DELETE FROM join_uses WHERE token = ?", id);
  if ([...gone, tokens].some((rows) => rows.length > 0)) crashPoint("inside-purge");
  return [...gone, tokens].some((rows) => rows.length === rowsAtOnce);
}

/** With the keys that some of them still hold. */
function* purgeCommands(beforeMs: number): Operation<unknown[]> {
  const rows = yield* query<{ id: string }>(`DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE state IN ${ENDED} AND deadline_ms < ? LIMIT ?) RETURNING id`, beforeMs, rowsAtOnce);
  for (const { id } of rows) yield* dropTargets(id);
  return rows;
}
