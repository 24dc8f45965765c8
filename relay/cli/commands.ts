// `apply`, `job run`, `command ls|describe|wait`: orders to sites, also to those that are offline. Accepted means stored at the relay. `--wait` follows
// a command to its end and then speaks for it: exit 0 succeeded, 1 failed, 8 gave up waiting while the work goes on.
import { randomUUID } from "node:crypto";
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { CommandRequest, CommandSpec, CommandView, Listing, SiteSummary } from "../../shared/api.ts";
import { printable } from "../../shared/kit/shown.ts";
import { commandTitle } from "../../shared/rules/command-title.ts";
import { isTerminal } from "../../shared/rules/command-state.ts";
import { isLinked } from "../../shared/rules/freshness.ts";
import { logText, printLogs } from "./logs.ts";
import { age, fields, printList, printOne, type Column } from "./output.ts";
import type { Run } from "./run.ts";

const waitPollMs = { first: 250, most: 2_000 };
/** The relay is not there right now: what was asked may be asked again with the same key. */
const AWAY = new Set(["RELAY_UNREACHABLE", "PROXY_FAILED", "DRAINING", "STORE_FAILED"]);
const submitAttempts = 5;
const submitPauseMs = 1_000;

export interface SubmitOptions {
  readonly sites: readonly string[];
  readonly spec: CommandSpec;
  readonly expiresInMs: number | null;
  readonly waitMs: number | null;
  readonly live: boolean;
  readonly dryRun: boolean;
  readonly idempotencyKey: string | null;
  readonly orderingKey: string | null;
  readonly collapseKey: string | null;
  /** Each that ended, in the order of the sites. */
  readonly onEnded?: (view: CommandView) => void;
}

/** Submits to each site, then waits for all together; with several, one that fails does not stop the others (exit 9). */
export async function submit(run: Run, options: SubmitOptions): Promise<void> {
  const faults: Fault[] = [];
  const settle = async (site: string, work: () => Promise<CommandView | null>): Promise<CommandView | null> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Fault) || options.sites.length === 1 || error.code === "INTERRUPTED") throw error;
      faults.push(error);
      run.terminal.say(`${printable(`${site}: ${error.message}: ${error.why} (${error.code})`)}\n`);
      return null;
    }
  };
  const accepted: CommandView[] = [];
  for (const site of options.sites) {
    const view = await settle(site, () => submitOne(run, options, site));
    if (view !== null) accepted.push(view);
  }
  const { waitMs } = options;
  const views = waitMs === null ? accepted : (await Promise.all(accepted.map((view) => settle(view.site, () => waitForCommand(run, view.id, waitMs))))).filter((view) => view !== null);
  if (views.length > 0) printCommands(run, views);
  if (waitMs !== null) printLogs(run, views);
  if (waitMs !== null) for (const view of views) options.onEnded?.(view);
  const failed = views.filter((view) => options.waitMs !== null && view.state !== "succeeded");
  if (options.sites.length === 1 && failed[0]) throw outcomeFault(failed[0]);
  if (faults.length + failed.length > 0) throw new Fault("SOME_FAILED", { what: `${faults.length + failed.length} of ${options.sites.length} sites failed`, hint: "bowline command ls" });
}

async function submitOne(run: Run, options: SubmitOptions, site: string): Promise<CommandView | null> {
  const summary = options.live || options.dryRun ? await run.client().get<SiteSummary>(`/sites/${encodeURIComponent(site)}`) : null;
  if (options.dryRun) {
    const when = summary !== null && isLinked(summary.link) ? "now" : `when it returns (link ${summary?.link}, last contact ${age(summary?.lastContact ?? null, Date.now())})`;
    run.terminal.out(`${site}: ${commandTitle(options.spec)}, ${when}; nothing was sent\n`);
    return null;
  }
  if (options.live && (summary === null || !isLinked(summary.link))) {
    throw new Fault("SITE_OFFLINE", { what: `${site} is offline`, why: `last contact ${age(summary?.lastContact ?? null, Date.now())}, and --live asks for now`, hint: "leave --live out: the order then waits for the site" });
  }
  const request: CommandRequest = { site, spec: options.spec, ...(options.expiresInMs === null ? {} : { expiresInMs: options.expiresInMs }), ...(options.orderingKey === null ? {} : { orderingKey: options.orderingKey }), ...(options.collapseKey === null ? {} : { collapseKey: options.collapseKey }) };
  // One key asks for one thing at one site; with several sites each gets its own of it.
  const key = options.idempotencyKey === null ? randomUUID() : options.sites.length === 1 ? options.idempotencyKey : `${options.idempotencyKey}/${site}`;
  return postOnce(run, request, key);
}

/** An answer that was lost on the way is asked for again with the same key: the order is given once, whatever becomes of the relay meanwhile. */
async function postOnce(run: Run, request: CommandRequest, key: string): Promise<CommandView> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run.client().post<CommandView>("/commands", request, { "idempotency-key": key });
    } catch (error) {
      const isAway = error instanceof Fault && AWAY.has(error.code);
      if (!isAway) throw error;
      if (attempt === submitAttempts) {
        const again = `repeat the same command with --idempotency-key ${key}: it is taken once, also if it was taken already`;
        throw new Fault(error.code, { what: error.message, why: `${error.why}; whether the order was taken is not known`, hint: error.hint === "" ? again : `${again}\n${error.hint}`, cause: error });
      }
      await pause(systemClock, submitPauseMs, run.signal);
    }
  }
}

/** Polls until the command ended. Fault GAVE_UP_WAITING. */
async function waitForCommand(run: Run, id: string, timeoutMs: number): Promise<CommandView> {
  const until = Date.now() + timeoutMs;
  let said = "";
  let delayMs = waitPollMs.first;
  for (;;) {
    const view = await run
      .client()
      .get<CommandView>(`/commands/${encodeURIComponent(id)}`)
      .catch((error: unknown) => {
        if (error instanceof Fault && AWAY.has(error.code)) return error; // a relay that restarts is waited for as well
        throw error;
      });
    if (!(view instanceof Fault) && isTerminal(view.state)) return view;
    const now = printable(view instanceof Fault ? `the relay is away: ${view.why}` : `${view.site}: ${view.state}${view.why === "" ? "" : ` (${view.why})`}`);
    if (now !== said) run.terminal.say(`${said === "" ? "waiting, Ctrl-C only stops waiting\n" : ""}${now}\n`);
    said = now;
    if (Date.now() >= until) throw new Fault("GAVE_UP_WAITING", { what: `command ${id} has not ended`, why: `${now}; it goes on by itself`, hint: `bowline command wait ${id}` });
    await pause(systemClock, delayMs, run.signal);
    delayMs = Math.min(waitPollMs.most, delayMs * 1.3);
  }
}

export async function waitCommand(run: Run, id: string, timeoutMs: number): Promise<void> {
  const view = await waitForCommand(run, id, timeoutMs);
  printCommands(run, [view]);
  printLogs(run, [view]);
  if (view.state !== "succeeded") throw outcomeFault(view);
}

/** Takes an order back: one that has not left ends at once, else the site is asked. `abandon`: the relay gives up on it by itself. */
export async function takeBack(run: Run, id: string, verb: "cancel" | "abandon"): Promise<void> {
  const view = await run.client().post<CommandView>(`/commands/${encodeURIComponent(id)}/${verb}`, {});
  printCommands(run, [view]);
}

function outcomeFault(view: CommandView): Fault {
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

function printCommands(run: Run, views: readonly CommandView[]): void {
  const only = views[0];
  if (views.length === 1 && only && run.format !== "table" && run.format !== "wide") return printOne(run.terminal, run.format, only, `command/${only.id}`, () => "");
  printList(run.terminal, run.format, views, COLUMNS, (view) => `command/${view.id}`, "no commands");
}

export async function listCommands(run: Run, site: string | null, state: string | null): Promise<void> {
  const query = new URLSearchParams({ ...(site === null ? {} : { site }), ...(state === null ? {} : { state }) });
  const { items } = await run.client().get<Listing<CommandView>>(`/commands?${query.toString()}`);
  printList(run.terminal, run.format, items, COLUMNS, (view) => `command/${view.id}`, "no commands");
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
      ["Asked by", `${view.operator} at ${view.asked} (relay clock)`],
      ["Deadline", `${view.deadline} to start`],
      ["Cancel asked", view.cancelAsked ?? "-"],
      ["Offered", view.offered ?? "-"],
      ["Stored at the site", view.stored ?? "-"],
      ["Started", view.startedAtSite === null ? "-" : `${view.startedAtSite} (site clock)`],
      ["Ended", view.endedAtSite === null ? "-" : `${view.endedAtSite} (site clock), known here ${view.ended ?? "-"}`],
      ["Outcome", view.outcome?.what ?? "-"],
    ]);
    const { objects = [], log } = view.outcome ?? {};
    return `${lines}${objects.map((item) => `  ${printable(`${item.ref}: ${item.result}${item.why === "" ? "" : `: ${item.why}`}`)}\n`).join("")}${log === undefined ? "" : `Log:\n${logText(log)}`}`;
  });
}
