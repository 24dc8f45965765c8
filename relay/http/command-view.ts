// A command as the API shows it: its row, both clocks, its place in line, and in words why it is not further.
import type { CommandOutcome, CommandPosition, CommandView } from "../../shared/api.ts";
import { findOutcome } from "../../shared/rules/outcome.ts";
import type { CommandDetail } from "../store/command-list.ts";
import type { CommandRow } from "../store/commands.ts";
import { changeText } from "./cursor.ts";
import { iso } from "./operate-fields.ts";
import type { SiteOptions } from "./operate-sites.ts";

export type ViewOptions = Pick<SiteOptions, "store" | "clock" | "live">;

export function commandView(options: ViewOptions, row: CommandRow): CommandView {
  return viewOf(row, whyNotYet(options, row));
}

/** Of one command alone more is asked: its place in line, and whom it waits for. */
export function detailView(options: ViewOptions, { row, position }: CommandDetail): CommandView {
  if (position === null) return commandView(options, row);
  const { before, open, keyBefore, keySharing, behind } = position;
  const shown: CommandPosition = { inSite: { n: before + 1, of: open }, inKey: { n: keyBefore + 1, of: keySharing + 1 }, behind };
  const why = whyNotYet(options, row);
  const isWaiting = behind !== null && row.state !== "running" && row.why === "" && row.cancelAskedMs === null;
  return { ...viewOf(row, isWaiting ? `${why}; it begins when ${behind} has ended` : why), position: shown };
}

function viewOf(row: CommandRow, why: string): CommandView {
  return {
    apiVersion: "bowline/v1",
    kind: "Command",
    id: row.id,
    site: row.siteName,
    what: row.what,
    commandKind: row.kind,
    state: row.state,
    why,
    operator: row.operator,
    order: row.ord,
    deadline: iso(row.deadlineMs),
    asked: iso(row.askedMs),
    offered: row.offeredMs === null ? null : iso(row.offeredMs),
    stored: row.storedMs === null ? null : iso(row.storedMs),
    ended: row.endedMs === null ? null : iso(row.endedMs),
    startedAtSite: row.startedSiteMs === null ? null : iso(row.startedSiteMs),
    endedAtSite: row.endedSiteMs === null ? null : iso(row.endedSiteMs),
    cancelAsked: row.cancelAskedMs === null ? null : iso(row.cancelAskedMs),
    offers: row.offers,
    onFailure: row.onFailure,
    retryOf: row.ancestor,
    holdsKeys: holdsKeys(row),
    watch: changeText(row),
    outcome: row.outcome === null ? null : (findOutcome(row.outcome) ?? unreadable(row)),
  };
}

function unreadable(row: CommandRow): CommandOutcome {
  return { state: row.state, what: `its outcome is long: bowline command describe ${row.id}`, code: null, objects: [] };
}

function holdsKeys(row: CommandRow): boolean {
  return row.endedMs !== null && row.keys > 0;
}

/** Why a command is not further, in words for the person who waits. */
function whyNotYet(options: ViewOptions, row: CommandRow): string {
  if (holdsKeys(row)) return `${row.why === "" ? "" : `${row.why}; `}it holds its keys: bowline command retry ${row.id}, or bowline command skip ${row.id}`;
  if (row.state === "blocked") return `${row.why}; it is offered again`;
  if (row.why !== "") return row.why;
  if (row.cancelAskedMs !== null && row.endedMs === null) return "a cancel was asked for; the site has the last word";
  const isLinked = options.live(row.site) !== null;
  const offline = row.siteContactMs === null ? "the site was never linked" : `the site is offline since ${iso(row.siteContactMs)}`;
  switch (row.state) {
    case "queued":
      if (isLinked && row.siteRestoredMs !== null) return "this relay was put back from a copy; it leaves when the site has told what it knows";
      return isLinked ? "about to leave" : `${offline}; it leaves when the site returns`;
    case "offered":
      return isLinked ? "on its way" : `the link ended while it was on its way; ${offline}, and will say whether it has it`;
    case "stored":
      if (options.clock.wallMs() > row.deadlineMs) return "its deadline passed; expiring, unconfirmed until the site says so";
      return isLinked ? "stored at the site" : `stored at the site; ${offline}, and runs it by itself`;
    case "running":
      return isLinked ? "running at the site" : `was running when the link ended; ${offline}, and sends its result when it returns`;
    default:
      return "";
  }
}
