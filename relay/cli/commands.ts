// `command ls|describe|wait|cancel|abandon`: orders that were given. `--wait` follows a command to its end and then speaks for it: exit 0 succeeded, 1 failed,
// 8 gave up waiting while the work goes on. submit.ts gives orders.
import { Fault } from "../../shared/kit/errors.ts";
import type { CommandView, Listing } from "../../shared/api.ts";
import { printable } from "../../shared/kit/shown.ts";
import { changes, follow } from "./follow.ts";
import { logText, printLogs } from "./logs.ts";
import { age, fields, lineByLine, printList, printOne, type Column } from "./output.ts";
import type { Run } from "./run.ts";

/** Fault GAVE_UP_WAITING for one that did not end in time. */
export function gaveUp(view: CommandView): Fault {
  const now = printable(`${view.site}: ${view.state}${view.why === "" ? "" : ` (${view.why})`}`);
  return new Fault("GAVE_UP_WAITING", { what: `command ${view.id} has not ended`, why: `${now}; it goes on by itself`, hint: `bowline command wait ${view.id}` });
}

/** As it ended. Fault GAVE_UP_WAITING. */
export async function endOf(run: Run, view: CommandView, timeoutMs: number): Promise<CommandView> {
  let ended: CommandView | null = null;
  const [left] = await follow(run, [view], { since: view.watch, timeoutMs, onEnd: (last) => void (ended = last) });
  if (ended === null) throw gaveUp(left!);
  return ended;
}

export async function waitCommand(run: Run, id: string, timeoutMs: number): Promise<void> {
  const view = await endOf(run, await run.client().get<CommandView>(`/commands/${encodeURIComponent(id)}`), timeoutMs);
  printCommands(run, [view]);
  printLogs(run, [view]);
  if (view.state !== "succeeded") throw outcomeFault(view);
}

/** Gives what ended without success anew, in its place. */
export async function retryCommand(run: Run, id: string, waitMs: number | null): Promise<void> {
  const accepted = await run.client().post<CommandView>(`/commands/${encodeURIComponent(id)}/retry`, {});
  const view = waitMs === null ? accepted : await endOf(run, accepted, waitMs);
  printCommands(run, [view]);
  if (waitMs !== null && view.state !== "succeeded") throw outcomeFault(view);
}

/** cancel: one that has not left ends at once, else the site is asked. abandon: the relay gives up on it by itself. skip: its keys go on without it. */
export async function takeBack(run: Run, id: string, verb: "cancel" | "abandon" | "skip"): Promise<void> {
  const view = await run.client().post<CommandView>(`/commands/${encodeURIComponent(id)}/${verb}`, {});
  printCommands(run, [view]);
}

export function outcomeFault(view: CommandView): Fault {
  return new Fault("COMMAND_FAILED", { what: `command ${view.id} at ${view.site}: ${view.state}`, why: view.outcome?.what ?? view.why, hint: `bowline command describe ${view.id}` });
}

const COLUMNS: Column<CommandView>[] = [
  { title: "ID", value: (view) => view.id },
  { title: "SITE", value: (view) => view.site },
  { title: "WHAT", value: (view) => view.what },
  { title: "STATE", value: (view) => view.state },
  { title: "AGE", value: (view) => age(view.asked, Date.now()) },
  { title: "WHY", value: (view) => view.outcome?.what ?? view.why },
  { title: "OPERATOR", value: (view) => view.operator, wide: true },
  { title: "DEADLINE", value: (view) => view.deadline, wide: true },
];

export function printCommands(run: Run, views: readonly CommandView[]): void {
  const only = views[0];
  if (views.length === 1 && only && run.format !== "table" && run.format !== "wide") return printOne(run.terminal, run.format, only, `command/${only.id}`, () => "");
  printList(run.terminal, run.format, views, COLUMNS, (view) => `command/${view.id}`, "no commands");
}

export interface ListOptions {
  readonly site?: string;
  readonly state?: string;
  readonly selector?: string;
  /** Most that are shown. */
  readonly limit: number;
  /** Then goes on with what changes. */
  readonly watch?: boolean;
}

const pageMax = 500;

/** Newest first, page after page to the limit. */
export async function listCommands(run: Run, options: ListOptions): Promise<void> {
  const { limit, watch = false, ...filter } = options;
  const items: CommandView[] = [];
  let since = "";
  let cursor: string | null = "";
  while (cursor !== null && items.length < limit) {
    const query = new URLSearchParams({ ...filter, limit: String(Math.min(pageMax, limit - items.length)), ...(cursor === "" ? {} : { cursor }) });
    const page: Listing<CommandView> = await run.client().get<Listing<CommandView>>(`/commands?${query.toString()}`);
    items.push(...page.items);
    if (since === "") since = page.watch ?? "";
    cursor = page.next ?? null;
  }
  if (watch) return watchCommands(run, items, filter, since);
  printList(run.terminal, run.format, items, COLUMNS, (view) => `command/${view.id}`, "no commands");
  if (cursor !== null) run.terminal.say(`the newest ${items.length} are shown; there are more: --limit ${limit * 10}\n`);
}

/** Oldest first, so that what changes stands below. Ends with Ctrl-C. */
async function watchCommands(run: Run, items: readonly CommandView[], filter: Readonly<Record<string, string>>, since: string): Promise<void> {
  const print = lineByLine(run.terminal, run.format, COLUMNS, (view: CommandView) => `command/${view.id}`);
  for (const view of items.toReversed()) print(view);
  for await (const change of changes(run, filter, since, run.signal)) {
    if (change instanceof Fault) run.terminal.say(`the relay is away: ${printable(change.why)}\n`);
    else print(change);
  }
}

export async function describeCommand(run: Run, id: string): Promise<void> {
  const view = await run.client().get<CommandView>(`/commands/${encodeURIComponent(id)}`);
  printOne(run.terminal, run.format, view, `command/${view.id}`, () => {
    const lines = fields([
      ["Id", view.id],
      ["Site", view.site],
      ["What", view.what],
      ["State", view.state],
      ["Why", view.why === "" ? "-" : view.why],
      ...placeOf(view),
      ["Asked by", `${view.operator} at ${view.asked} (relay clock)`],
      ["Deadline", `${view.deadline} to start`],
      ["On failure", view.onFailure],
      ...(view.retryOf === null ? [] : [["Retry of", view.retryOf] as const]),
      ["Cancel asked", view.cancelAsked ?? "-"],
      ["Offered", view.offered === null ? "-" : `${view.offered}${view.offers > 1 ? `, the last of ${view.offers} times` : ""}`],
      ["Stored at the site", view.stored ?? "-"],
      ["Started", view.startedAtSite === null ? "-" : `${view.startedAtSite} (site clock)`],
      ["Ended", view.endedAtSite === null ? "-" : `${view.endedAtSite} (site clock), known here ${view.ended ?? "-"}`],
      ...tookOf(view),
      ["Outcome", view.outcome?.what ?? "-"],
    ]);
    const { objects = [], log } = view.outcome ?? {};
    return `${lines}${objects.map((item) => `  ${printable(`${item.ref}: ${item.result}${item.why === "" ? "" : `: ${item.why}`}`)}\n`).join("")}${log === undefined ? "" : `Log:\n${logText(log)}`}`;
  });
}

type Field = readonly [string, string];

function placeOf({ position }: CommandView): Field[] {
  if (position === undefined) return [];
  const { inSite, inKey, behind } = position;
  return [["Place", `${inSite.n} of ${inSite.of} at the site, ${inKey.n} of ${inKey.of} in its key${behind === null ? "" : `, behind ${behind}`}`]];
}

/** What it took, each part by one clock; what lies between the two clocks is said as that. */
function tookOf({ asked, startedAtSite, endedAtSite }: CommandView): Field[] {
  if (startedAtSite === null) return [];
  const waited = `waited ${age(asked, Date.parse(startedAtSite))} (asked by the relay's clock, started by the site's)`;
  return [["Took", endedAtSite === null ? waited : `${waited}, ran ${age(startedAtSite, Date.parse(endedAtSite))}`]];
}
