// Gives an order: to one site or to many in one call, also to those that are offline. Accepted means stored at the relay. With several sites one that fails does not
// stop the others (exit 9).
import { randomUUID } from "node:crypto";
import type { CommandOrder, CommandResults, CommandSpec, CommandView, Listing, SiteSummary } from "../../shared/api.ts";
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { Fault, faultRecord } from "../../shared/kit/errors.ts";
import { printable } from "../../shared/kit/shown.ts";
import { commandTitle } from "../../shared/rules/command-title.ts";
import { isLinked } from "../../shared/rules/freshness.ts";
import type { Addressee } from "./addressees.ts";
import { endOf, gaveUp, outcomeFault, printCommands } from "./commands.ts";
import { AWAY, follow } from "./follow.ts";
import { printLogs } from "./logs.ts";
import { age } from "./output.ts";
import type { Run } from "./run.ts";

const submitAttempts = 5;
const submitPauseMs = 1_000;

export interface SubmitOptions {
  readonly to: Addressee;
  readonly spec: CommandSpec;
  readonly expiresInMs: number | null;
  readonly waitMs: number | null;
  readonly live: boolean;
  readonly dryRun: boolean;
  readonly idempotencyKey: string | null;
  readonly orderingKey: string | null;
  readonly collapseKey: string | null;
  readonly onFailure: "continue" | "block";
  /** Each that was waited for and has ended, in the order of the sites. */
  readonly onEnded?: (view: CommandView) => void;
}

export async function submit(run: Run, options: SubmitOptions): Promise<void> {
  if (options.dryRun) return plan(run, options);
  const { to, waitMs } = options;
  const key = options.idempotencyKey ?? randomUUID();
  if (!("site" in to)) return submitMany(run, options, key);
  const accepted = await postOnce<CommandView>(run, { ...to, ...orderOf(options) }, key);
  const view = waitMs === null ? accepted : await endOf(run, accepted, waitMs);
  printCommands(run, [view]);
  if (waitMs !== null) tell(run, options, [view]);
  if (waitMs !== null && view.state !== "succeeded") throw outcomeFault(view);
}

async function submitMany(run: Run, options: SubmitOptions, key: string): Promise<void> {
  const { to, waitMs } = options;
  const { items, total, watch } = await postOnce<CommandResults>(run, { ...to, ...orderOf(options) }, key);
  let failed = 0;
  const fail = (site: string, what: string, why: string, code: string): void => {
    failed += 1;
    run.terminal.say(`${printable(`${site}: ${what}: ${why} (${code})`)}\n`);
  };
  for (const item of items) if ("problem" in item) fail(item.site, item.problem.title, item.problem.detail, item.problem.code);
  let views = items.flatMap((item) => ("command" in item ? [item.command] : []));
  if (waitMs !== null) {
    const ended = new Map<string, CommandView>();
    const left = await follow(run, views, { since: watch, timeoutMs: waitMs, onEnd: (view) => void ended.set(view.id, view) });
    for (const fault of left.map((view) => ({ site: view.site, ...faultRecord(gaveUp(view)) }))) fail(fault.site, fault.what, fault.why, fault.code);
    views = views.flatMap(({ id }) => ended.get(id) ?? []);
    failed += views.filter(({ state }) => state !== "succeeded").length;
  }
  if (views.length > 0) printCommands(run, views);
  if (waitMs !== null) tell(run, options, views);
  if (failed > 0) throw new Fault("SOME_FAILED", { what: `${failed} of ${total} sites failed`, hint: `bowline command ls\nthe same again with --idempotency-key ${key} asks those once more that did not take it` });
}

function tell(run: Run, { onEnded }: SubmitOptions, views: readonly CommandView[]): void {
  printLogs(run, views);
  for (const view of views) onEnded?.(view);
}

function orderOf(options: SubmitOptions): CommandOrder {
  const { spec, expiresInMs, orderingKey, collapseKey, live, onFailure } = options;
  return { spec, ...(expiresInMs === null ? {} : { expiresInMs }), ...(orderingKey === null ? {} : { orderingKey }), ...(collapseKey === null ? {} : { collapseKey }), ...(live ? { live } : {}), ...(onFailure === "block" ? { onFailure } : {}) };
}

/** An answer that was lost on the way is asked for again with the same key: the order is given once, whatever becomes of the relay meanwhile. */
async function postOnce<Answer>(run: Run, request: CommandOrder & Addressee, key: string): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run.client().post<Answer>("/commands", request, { "idempotency-key": key });
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

/** What would be sent to whom, and when it would leave. */
async function plan(run: Run, { to, spec }: SubmitOptions): Promise<void> {
  const what = commandTitle(spec);
  for (const { name, link, lastContact } of await sitesOf(run, to)) {
    const when = isLinked(link) ? "now" : `when it returns (link ${link}, last contact ${age(lastContact, Date.now())})`;
    run.terminal.out(`${name}: ${what}, ${when}; nothing was sent\n`);
  }
}

async function sitesOf(run: Run, to: Addressee): Promise<SiteSummary[]> {
  const client = run.client();
  if ("site" in to || to.sites !== undefined) {
    const sites: SiteSummary[] = [];
    for (const name of "site" in to ? [to.site] : to.sites!) sites.push(await client.get<SiteSummary>(`/sites/${encodeURIComponent(name)}`));
    return sites;
  }
  const query = to.selector === undefined ? "" : `?selector=${encodeURIComponent(to.selector)}`;
  const active = (await client.get<Listing<SiteSummary>>(`/sites${query}`)).items.filter(({ state }) => state === "active");
  if (active.length === 0) throw new Fault("SITE_UNKNOWN", { what: "no approved site is meant", why: to.selector === undefined ? "there is none" : `no labels fit "${to.selector}"`, hint: "bowline site ls -o wide shows the labels" });
  return active;
}
