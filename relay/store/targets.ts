// What keeps a command behind others of its site: commands that share a key (rules/ordering). A successor leaves with its nearest open predecessor's name; it
// stays here, out of the way of other keys, while a predecessor cannot leave or might be overtaken in another lane. delivery.md section 4.
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { TargetKey } from "../../shared/rules/ordering.ts";
import { OPEN_STATES } from "./sites.ts";

export function* putTargets(site: string, command: string, keys: readonly TargetKey[]): Operation<void> {
  for (const { key, isOwn } of keys) yield* query("INSERT INTO command_targets (command, okey, site, is_own) VALUES (?, ?, ?, ?)", command, key, site, isOwn ? 1 : 0);
}

/** The command has ended: nobody waits for it any more. */
export function* dropTargets(command: string): Operation<void> {
  yield* query("DELETE FROM command_targets WHERE command = ?", command);
}

/** Others that share a key with a command, one of the two for its own sake. */
const SHARING = "FROM command_targets t JOIN command_targets u ON u.site = t.site AND u.okey = t.okey AND u.command <> t.command AND (u.is_own = 1 OR t.is_own = 1) JOIN commands p ON p.id = u.command WHERE t.command = ?";

/** A predecessor that has not left, or that left in another lane and may arrive later than its successor. */
export function* hinderingPredecessor(command: string, ord: number, lane: string): Operation<string | null> {
  const row = yield* queryOne<{ id: string }>(`SELECT p.id ${SHARING} AND p.ord < ? AND (p.state IN ('queued', 'blocked') OR (p.state = 'offered' AND p.lane <> ?)) ORDER BY p.ord DESC LIMIT 1`, command, ord, lane);
  return row?.id ?? null;
}

/** The nearest open one: it must be settled at the site first. */
export function* openPredecessor(command: string, ord: number): Operation<string | null> {
  const row = yield* queryOne<{ id: string }>(`SELECT p.id ${SHARING} AND p.ord < ? AND p.state IN ${OPEN_STATES} ORDER BY p.ord DESC LIMIT 1`, command, ord);
  return row?.id ?? null;
}

/** Those that were kept here and share a key with a command that is out of their way now. */
export function* waitingSuccessors(site: string, command: string): Operation<string[]> {
  const any = yield* queryOne("SELECT id FROM commands WHERE site = ? AND state = 'blocked' AND blocked_reason = 'dependency' LIMIT 1", site);
  if (any === null) return [];
  const rows = yield* query<{ id: string }>(`SELECT DISTINCT p.id ${SHARING} AND p.state = 'blocked' AND p.blocked_reason = 'dependency'`, command);
  return rows.map(({ id }) => id);
}

/** How many open commands share a key with it, and how many of them are before it. */
export function* placeInKey(command: string, ord: number): Operation<{ readonly before: number; readonly sharing: number }> {
  const row = yield* queryOne<{ before: number | null; sharing: number }>(`SELECT COUNT(DISTINCT p.id) AS sharing, COUNT(DISTINCT CASE WHEN p.ord < ? THEN p.id END) AS before ${SHARING} AND p.state IN ${OPEN_STATES}`, ord, command);
  return { before: Number(row?.before ?? 0), sharing: Number(row?.sharing ?? 0) };
}
