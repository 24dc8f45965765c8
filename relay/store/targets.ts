// What keeps a command behind others of its site: commands that share a key (rules/ordering). A successor leaves with its nearest open predecessor's name; it
// stays here, out of the way of other keys, while a predecessor cannot leave or might be overtaken in another lane. delivery.md section 4.
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { isTerminal, type RelayState } from "../../shared/rules/command-state.ts";
import type { TargetKey } from "../../shared/rules/ordering.ts";
import { OPEN_STATES } from "./sites.ts";

export function* putTargets(site: string, command: string, keys: readonly TargetKey[]): Operation<void> {
  for (const { key, isOwn } of keys) yield* query("INSERT INTO command_targets (command, okey, site, is_own) VALUES (?, ?, ?, ?)", command, key, site, isOwn ? 1 : 0);
}

/** The command has ended, or does not hold its keys any more: nobody waits for it. */
export function* dropTargets(command: string): Operation<void> {
  yield* query("DELETE FROM command_targets WHERE command = ?", command);
}

/** Others that share a key with a command, one of the two for its own sake. Only open commands have keys, and those that ended and hold them. */
const SHARING = "FROM command_targets t JOIN commands c ON c.id = t.command JOIN command_targets u ON u.site = t.site AND u.okey = t.okey AND u.command <> t.command AND (u.is_own = 1 OR t.is_own = 1) JOIN commands p ON p.id = u.command WHERE t.command = ?";
/** In its keys a command stands by its order, a retry where its ancestor stood. */
const BEFORE = "COALESCE(p.place, p.ord) < COALESCE(c.place, c.ord)";

/**
 * What keeps a command here, in words, or null: a predecessor that has not left, or left in another lane and may arrive later; one that blocks its keys until it has
 * succeeded; a retry, which the site would put behind its successors by its order.
 */
export function* hinderingPredecessor(command: string, lane: string): Operation<string | null> {
  const row = yield* queryOne<{ id: string; state: RelayState }>(
    `SELECT p.id, p.state ${SHARING} AND ${BEFORE} AND (p.state IN ('queued', 'blocked') OR (p.state = 'offered' AND p.lane <> ?) OR p.on_failure = 'block' OR (p.ord > c.ord AND p.state IN ${OPEN_STATES})) ORDER BY COALESCE(p.place, p.ord) DESC LIMIT 1`,
    command,
    lane,
  );
  if (row === null) return null;
  return isTerminal(row.state) ? `${row.id}, which is ${row.state} and holds its key until bowline command retry ${row.id} has succeeded or bowline command skip ${row.id} lets go` : row.id;
}

/** The nearest open one: it must be settled at the site first. */
export function* openPredecessor(command: string): Operation<string | null> {
  const row = yield* queryOne<{ id: string }>(`SELECT p.id ${SHARING} AND ${BEFORE} AND p.state IN ${OPEN_STATES} ORDER BY COALESCE(p.place, p.ord) DESC LIMIT 1`, command);
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
export function* placeInKey(command: string): Operation<{ readonly before: number; readonly sharing: number }> {
  const row = yield* queryOne<{ before: number | null; sharing: number }>(`SELECT COUNT(DISTINCT p.id) AS sharing, COUNT(DISTINCT CASE WHEN ${BEFORE} THEN p.id END) AS before ${SHARING} AND p.state IN ${OPEN_STATES}`, command);
  return { before: Number(row?.before ?? 0), sharing: Number(row?.sharing ?? 0) };
}
