// Lists of commands, newest first, a page at a time. A page goes on behind the last row of the one before (by time, order and id), so rows that come in meanwhile
// neither repeat nor hide any. What it reads for one page is bounded, whatever the filter leaves. And one command with its place in line.
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { isTerminal } from "../../shared/rules/command-state.ts";
import { outcomeHeadChars } from "../../shared/rules/outcome.ts";
import { matchesSelector, parseSelector } from "../../shared/rules/selector.ts";
import { changeHead, type ChangeAt } from "./changes.ts";
import { commandRow, SHORT, type CommandRow } from "./commands.ts";
import { findSite, OPEN_STATES, unknownSite } from "./sites.ts";
import { openPredecessor, placeInKey } from "./targets.ts";

/** Rows that are looked at for one page: a selector that few sites fit gives short pages, and never a long wait for everybody else. */
const lookedAtMax = 5_000;
const lookedAtOnce = 500;

/** The last row of a page. */
export interface ListPlace {
  readonly askedMs: number;
  readonly ord: number;
  readonly id: string;
}

export interface CommandFilter {
  readonly site: string | null;
  readonly state: string | null;
  readonly selector: string | null;
}

export interface CommandPage {
  readonly rows: CommandRow[];
  /** Null: there is no more. */
  readonly next: ListPlace | null;
  /** What changes from here on is not in the page. */
  readonly at: ChangeAt;
}

const START: ListPlace = { askedMs: Number.MAX_SAFE_INTEGER, ord: 0, id: "" };

/** Fault SITE_UNKNOWN for a name, USAGE for a selector that is none. */
export function* listCommands(args: CommandFilter & { readonly after: ListPlace | null; readonly limit: number }): Operation<CommandPage> {
  const { limit } = args;
  const isMeant = yield* siteFilter(args);
  const at = yield* changeHead(null);
  const rows: CommandRow[] = [];
  let place = args.after ?? START;
  for (let seen = 0; seen < lookedAtMax; seen += lookedAtOnce) {
    const chunk = Math.min(lookedAtOnce, isMeant.isById ? limit + 1 : lookedAtOnce);
    const found = yield* rowsAfter(isMeant.site, args.state, place, chunk);
    for (const row of found) {
      const isWanted = isMeant.test(row.site);
      if (isWanted && rows.length === limit) return { rows, next: place, at };
      if (isWanted) rows.push(row);
      place = { askedMs: Number(row.askedMs), ord: Number(row.ord), id: row.id };
    }
    if (found.length < chunk) return { rows, next: null, at };
  }
  return { rows, next: place, at };
}

interface SiteFilter {
  readonly site: string | null;
  /** The database picks: every row that it gives is wanted. */
  readonly isById: boolean;
  readonly test: (site: string) => boolean;
}

function* siteFilter({ site, selector }: Pick<CommandFilter, "site" | "selector">): Operation<SiteFilter> {
  const row = site === null ? null : yield* findSite({ name: site });
  if (site !== null && row === null) throw unknownSite(site);
  if (selector === null) return { site: row?.id ?? null, isById: true, test: () => true };
  const wanted = yield* fittingSites(selector);
  const ids = new Set(wanted);
  return { site: row?.id ?? null, isById: false, test: (id) => ids.has(id) };
}

/** Whatever became of the sites: their commands are still there. */
function* fittingSites(text: string): Operation<string[]> {
  const selector = parseSelector(text);
  const rows = yield* query<{ id: string; labels: string }>("SELECT id, labels FROM sites");
  return rows.filter(({ labels }) => matchesSelector(selector, JSON.parse(labels) as Record<string, string>)).map(({ id }) => id);
}

function* rowsAfter(site: string | null, state: string | null, after: ListPlace, limit: number): Operation<CommandRow[]> {
  const filters = `${site === null ? "" : " AND c.site = ?"}${state === null ? "" : " AND c.state = ?"}`;
  const values = [site, state].filter((value) => value !== null);
  return yield* query<CommandRow>(
    `SELECT ${SHORT}, SUBSTR(c.outcome, 1, ?) AS outcome FROM commands c WHERE (c.asked_ms, c.ord, c.id) < (?, ?, ?)${filters} ORDER BY c.asked_ms DESC, c.ord DESC, c.id DESC LIMIT ?`,
    outcomeHeadChars + 1,
    after.askedMs,
    after.ord,
    after.id,
    ...values,
    limit,
  );
}

export interface CommandDetail {
  readonly row: CommandRow;
  /** Of an open command. */
  readonly position: { readonly before: number; readonly open: number; readonly keyBefore: number; readonly keySharing: number; readonly behind: string | null } | null;
}

/** One command, with its place in line while it is open. Fault COMMAND_UNKNOWN. */
export function* commandDetail(args: { readonly id: string }): Operation<CommandDetail> {
  const row = yield* commandRow(args);
  if (isTerminal(row.state)) return { row, position: null };
  const ord = Number(row.ord);
  const place = (yield* queryOne<{ before: number; open: number }>(`SELECT COUNT(CASE WHEN ord < ? THEN 1 END) AS before, COUNT(*) AS open FROM commands WHERE site = ? AND state IN ${OPEN_STATES}`, ord, row.site))!;
  const key = yield* placeInKey(row.id);
  return { row, position: { before: Number(place.before), open: Number(place.open), keyBefore: key.before, keySharing: key.sharing, behind: yield* openPredecessor(row.id) } };
}
