// The API's functions about sites; operate-commands.ts has those about commands. Link state (from the roster) and the age of what is known (from the store) are two things here and stay two.
import type { SiteDetail, SiteReport, SiteSummary } from "../../shared/api.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { isMatchCode } from "../../shared/kit/keys.ts";
import { linkWord } from "../../shared/rules/freshness.ts";
import { matchesSelector, parseSelector } from "../../shared/rules/selector.ts";
import { requireSiteName } from "../../shared/rules/target.ts";
import type { SiteRow, SiteView } from "../store/sites.ts";
import type { RelayStore } from "../store/store.ts";
import type { Route } from "./api.ts";
import { iso, text } from "./operate-fields.ts";

const eventsShown = 100;
/** Wrong match codes for one waiting agent; beyond it the agent must be denied or try anew. One guess is right once in a hundred thousand. */
const wrongCodesMax = 10;
/** Characters of a match code as people type it: two words and digits, and room for a slip. */
const codeCharsMax = 64;

/** What the roster knows of a linked site. */
export interface LiveSite {
  readonly sinceMs: number;
  readonly roundTripMs: number | null;
  readonly streams: number;
}

export interface SiteOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly live: (siteId: string) => LiveSite | null;
  /** Signs the `site` statement for an approved agent. */
  readonly approve: (site: SiteRow, name: string, operator: string) => Promise<SiteRow>;
  readonly end: (site: SiteRow, to: "denied" | "revoked", operator: string) => Promise<SiteRow>;
}

export function siteRoutes(options: SiteOptions): Route[] {
  const { store } = options;
  const wrongCodes = new Map<string, number>();
  const summary = async (name: string): Promise<SiteSummary> => summaryOf(options, await store.call("siteView", { name }));
  return [
    { method: "GET", path: "/sites", handle: async ({ query }) => ({ status: 200, body: { apiVersion: "bowline/v1", items: await listed(options, query.get("selector")) } }) },
    { method: "GET", path: "/sites/:name", handle: async ({ parts }) => ({ status: 200, body: await detail(options, parts[0]!) }) },
    {
      method: "POST",
      path: "/sites/:name/approve",
      handle: async ({ parts, body, login }) => {
        const site = await requireSite(store, parts[0]!);
        if (site.state !== "waiting") throw new Fault("STATE_REFUSED", { what: `${site.name} does not wait for approval`, why: `it is ${site.state}`, hint: "bowline site ls" });
        const wrong = wrongCodes.get(site.id) ?? 0;
        if (wrong >= wrongCodesMax) throw new Fault("TOO_MANY", { what: `${wrongCodesMax} wrong match codes were given for ${site.name}`, hint: `bowline site rm ${site.name}; then join again at the site, with a new token and an empty --data folder` });
        if (!isMatchCode(site.signKey, text(body, "code", codeCharsMax, `bowline approve ${site.name} --code TEAL-OTTER-42`))) {
          wrongCodes.set(site.id, wrong + 1);
          throw new Fault("MATCH_CODE_WRONG", { what: `this is not the match code of the agent that waits as ${site.name}`, why: "either it was misheard, or another agent uses this name", hint: `ask the installer to read it out again; if it differs still: bowline deny ${site.name}` });
        }
        const name = requireSiteName(body["name"] ?? site.name, `bowline approve ${site.name} --code CODE --name plant-07`);
        await options.approve(site, name, login.name);
        wrongCodes.delete(site.id);
        return { status: 200, body: await summary(name) };
      },
    },
    {
      method: "POST",
      path: "/sites/:name/deny",
      handle: async ({ parts, login }) => {
        const site = await requireSite(store, parts[0]!);
        await options.end(site, "denied", login.name);
        return { status: 200, body: await summary(site.name) };
      },
    },
    {
      method: "DELETE",
      path: "/sites/:name",
      handle: async ({ parts, login }) => {
        const before = await summary(parts[0]!);
        await options.end(await requireSite(store, parts[0]!), "revoked", login.name);
        return { status: 200, body: { ...before, state: "revoked" } };
      },
    },
  ];
}

/** All that are not revoked, or those whose labels fit. */
async function listed(options: SiteOptions, text: string | null): Promise<SiteSummary[]> {
  const selector = text === null ? [] : parseSelector(text);
  return (await options.store.call("listSites", null)).map((row) => summaryOf(options, row)).filter(({ labels }) => matchesSelector(selector, labels));
}

async function requireSite(store: RelayStore, name: string): Promise<SiteRow> {
  return store.call("siteView", { name });
}

function summaryOf(options: SiteOptions, row: SiteView): SiteSummary {
  const nowMs = options.clock.wallMs();
  const live = options.live(row.id);
  const lastContactMs = live === null ? row.lastContactMs : nowMs;
  return {
    apiVersion: "bowline/v1",
    kind: "Site",
    name: row.name,
    id: row.id,
    labels: JSON.parse(row.labels) as Record<string, string>,
    tier: row.tier,
    setting: "relayed",
    link: linkWord({ state: row.state, isLinked: live !== null, lastContactMs, roundTripMs: live?.roundTripMs ?? null }, nowMs),
    state: row.state,
    lastContact: lastContactMs === null ? null : iso(lastContactMs),
    reportMade: row.reportMadeMs === null ? null : iso(row.reportMadeMs),
    reportReceived: row.reportReceivedMs === null ? null : iso(row.reportReceivedMs),
    openCommands: row.openCommands,
    created: iso(row.createdMs),
  };
}

async function detail(options: SiteOptions, name: string): Promise<SiteDetail> {
  const row = await options.store.call("siteView", { name });
  const [report, events] = await Promise.all([options.store.call("reportOf", { site: row.id }), options.store.call("eventsOf", { site: row.id, limit: eventsShown })]);
  const live = options.live(row.id);
  return {
    ...summaryOf(options, row),
    agentVersion: row.agentVersion,
    roundTripMs: live?.roundTripMs ?? null,
    linkSince: live === null ? null : iso(live.sinceMs),
    lastLinkEnd: row.linkEndMs === null ? null : { at: iso(row.linkEndMs), why: row.linkEndWhy ?? "" },
    liveStreams: live?.streams ?? 0,
    report: report === null ? null : (JSON.parse(report) as SiteReport),
    events: events.map((event) => ({ at: iso(event.atMs), received: iso(event.receivedMs), kind: event.kind, what: event.what })),
    warnings: [
      ...(row.binding === "none" ? ["the link is not bound to TLS (join token made with --binding none): whatever ends TLS in front of the relay could read it"] : []),
      ...(row.restoredMs === null ? [] : [`this relay was put back from a copy (noticed ${iso(row.restoredMs)}): it offers the site nothing until the site has told what it knows; bowline restored`]),
    ],
  };
}
