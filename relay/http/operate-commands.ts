// The API's functions about commands: given to one site or to many, listed, looked at, taken back. A call for one site answers with its command or a problem; one for
// many answers for each of them.
import type { CommandRequest, CommandResults, CommandsRequest, CommandView, Listing } from "../../shared/api.ts";
import { RELAY_TABLE } from "../../shared/rules/command-state.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { matchesSelector, parseSelector } from "../../shared/rules/selector.ts";
import type { SiteAnswer } from "../command/submit-many.ts";
import type { ChangedRow } from "../store/changes.ts";
import type { CommandFilter } from "../store/command-list.ts";
import type { CommandRow } from "../store/commands.ts";
import { problemOf } from "./answers.ts";
import type { Answer, Call, Route } from "./api.ts";
import { commandView, detailView, type ViewOptions } from "./command-view.ts";
import { changeText, cursorOf, parseChange, parseCursor, parseLimit } from "./cursor.ts";
import { otherEpoch, type CommandWatch } from "./watch.ts";

type Operator = Call["login"];

export interface CommandOptions extends ViewOptions {
  /** A letter for the site was put. */
  readonly poke: (siteId: string) => void;
  readonly submit: (request: CommandRequest, operator: Pick<Operator, "name" | "tier">, idempotencyKey: string | null) => Promise<CommandRow>;
  readonly retry: (id: string, operator: Pick<Operator, "name" | "tier">) => Promise<CommandRow>;
  readonly submitMany: (request: CommandsRequest, operator: Pick<Operator, "name" | "tier">, idempotencyKey: string | null) => Promise<SiteAnswer[]>;
}

export function commandRoutes(options: CommandOptions, watch: CommandWatch): Route[] {
  const { store } = options;
  return [
    {
      method: "GET",
      path: "/commands",
      handle: async (call) => (call.query.get("watch") === null ? { status: 200, body: await listed(options, call.query) } : watched(options, watch, call)),
    },
    { method: "POST", path: "/commands", handle: (call) => (["sites", "selector", "all"].some((name) => call.body[name] !== undefined) ? giveToMany(options, call) : giveToOne(options, call)) },
    { method: "GET", path: "/commands/:id", handle: async ({ parts }) => ({ status: 200, body: detailView(options, await store.call("commandDetail", { id: parts[0]! })) }) },
    {
      method: "POST",
      path: "/commands/:id/retry",
      handle: async ({ parts, login }) => ({ status: 202, body: commandView(options, await options.retry(parts[0]!, login)) }),
    },
    ...(["cancel", "abandon", "skip"] as const).map((verb): Route => ({
      method: "POST",
      path: `/commands/:id/${verb}`,
      handle: async ({ parts, login }) => {
        const row = await store.call(`${verb}Command`, { id: parts[0]!, operator: login.name, nowMs: options.clock.wallMs() });
        options.poke(row.site);
        return { status: 200, body: commandView(options, row) };
      },
    })),
  ];
}

async function giveToOne(options: CommandOptions, { body, login, idempotencyKey }: Call): Promise<Answer> {
  return { status: 202, body: commandView(options, await options.submit(body as unknown as CommandRequest, login, idempotencyKey)) };
}

async function giveToMany(options: CommandOptions, { body, login, idempotencyKey }: Call): Promise<Answer> {
  if (body["site"] !== undefined) throw new Fault("USAGE", { what: "the order names its sites in several ways", why: 'it takes one of "site", "sites", "selector" and "all"', hint: "--site NAME,..., -l SELECTOR or --all" });
  const watch = changeText(await options.store.call("changeHead", null));
  const answers = await options.submitMany(body as unknown as CommandsRequest, login, idempotencyKey);
  const items = answers.map((answer) => ("row" in answer ? { site: answer.site, command: commandView(options, answer.row) } : { site: answer.site, problem: problemOf(answer.fault) }));
  const accepted = items.filter((item) => "command" in item).length;
  return { status: accepted === items.length ? 202 : 207, body: { apiVersion: "bowline/v1", kind: "CommandResults", total: items.length, accepted, watch, items } satisfies CommandResults };
}

/** A page of those of one site, of the sites that a selector fits, in one state. A name or word that does not exist is an error: an empty answer would say that all is done. */
async function listed(options: CommandOptions, query: URLSearchParams): Promise<Listing<CommandView>> {
  const [after, limit] = [parseCursor(query.get("cursor")), parseLimit(query.get("limit"))];
  const { rows, next, at } = await options.store.call("listCommands", { ...filterOf(query), after, limit });
  return { apiVersion: "bowline/v1", items: rows.map((row) => commandView(options, row)), next: next === null ? null : cursorOf(next), watch: changeText(at) };
}

/** What changes from now on, or from a place that a list, a command or an event gave. */
async function watched({ store }: CommandOptions, watch: CommandWatch, { query, lastEventId, judge }: Call): Promise<Answer> {
  const { site, state, selector: text } = filterOf(query);
  const selector = text === null ? [] : parseSelector(text);
  const siteId = site === null ? null : (await store.call("siteView", { name: site })).id;
  const head = await store.call("changeHead", null);
  const since = lastEventId ?? query.get("since");
  const from = since === null ? head : parseChange(since);
  if (from.epoch !== head.epoch || from.change > head.change) throw otherEpoch();
  watch.requireRoom();
  const isWanted = (row: ChangedRow): boolean => (siteId === null || row.site === siteId) && (state === null || row.state === state) && (selector.length === 0 || matchesSelector(selector, JSON.parse(row.labels) as Record<string, string>));
  return { status: 200, body: null, stream: (response) => watch.add({ from, isWanted, judge }, response) };
}

function filterOf(query: URLSearchParams): CommandFilter {
  const state = query.get("state");
  if (state !== null && !Object.hasOwn(RELAY_TABLE, state)) throw new Fault("USAGE", { what: `there is no state "${state.slice(0, 64)}"`, why: `the states are ${Object.keys(RELAY_TABLE).join(", ")}`, hint: "bowline command ls" });
  return { site: query.get("site"), state, selector: query.get("selector") };
}
