// What one site's queue may hold at the relay: open commands and their octets. Beyond it the caller is told which of the two is full, what fills it, and when
// there may be room. Nothing that was accepted is ever dropped for it. delivery.md section 6.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { NewCommand } from "./commands.ts";
import { OPEN_STATES, type SiteRow } from "./sites.ts";

export interface QueueMax {
  readonly commands: number;
  readonly octets: number;
}

/** Open commands of one site, and their octets, where nobody set others: beyond it the caller is told what fills the queue. delivery.md section 6. */
export const queueMaxDefault: QueueMax = { commands: 1_000, octets: 64 * 1_048_576 };
/** Kinds and keys that are named, the fullest first. */
const shownMax = 3;
/** When to try again (s): a linked site takes its queue in seconds; one that is away takes none of it before it returns. */
const againS = { linked: 10, away: 300 };

export function* requireRoom(site: SiteRow, command: NewCommand): Operation<void> {
  const max = command.queueMax ?? queueMaxDefault;
  const row = yield* queryOne<{ n: number; octets: number | null }>(`SELECT COUNT(*) AS n, SUM(octets) AS octets FROM commands WHERE site = ? AND state IN ${OPEN_STATES}`, site.id);
  const open = Number(row?.n ?? 0);
  const held = Number(row?.octets ?? 0);
  const isFull = open >= max.commands;
  if (!isFull && held + command.body.length <= max.octets) return;
  const retryAfterS = site.linkEndMs === null && site.lastContactMs !== null ? againS.linked : againS.away;
  const why = isFull ? `${open} commands are open, ${max.commands} may be` : `open commands hold ${mebibytes(held)}, this one has ${mebibytes(command.body.length)}, ${mebibytes(max.octets)} may be held`;
  throw new Fault("QUEUE_FULL", {
    what: `the queue of ${site.name} is full`,
    why: `${why}; ${yield* whatFills(site.id)}`,
    hint: `bowline command ls --site ${site.name} shows what fills it; try again in ${retryAfterS} s, or when the site has taken some`,
    facts: { site: site.name, quota: isFull ? "commands" : "octets", used: isFull ? open : held, max: isFull ? max.commands : max.octets, retryAfterS },
  });
}

function mebibytes(octets: number): string {
  return `${(octets / 1_048_576).toFixed(1).replace(/\.0$/, "")} MiB`;
}

/** Only asked when the answer is a refusal. */
function* whatFills(site: string): Operation<string> {
  const top = function* (column: "kind" | "ordering_key"): Operation<string> {
    const rows = yield* query<{ name: string; n: number }>(`SELECT ${column} AS name, COUNT(*) AS n FROM commands WHERE site = ? AND state IN ${OPEN_STATES} GROUP BY ${column} ORDER BY COUNT(*) DESC, ${column} LIMIT ?`, site, shownMax);
    return rows.map(({ name, n }) => `${name === "" ? "no key" : name} ${n}`).join(", ");
  };
  return `by kind: ${yield* top("kind")}; by key: ${yield* top("ordering_key")}`;
}
