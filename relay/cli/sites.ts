// `site ls|describe|wait`, `approve`, `deny`, `token create|ls|revoke`: what people at the centre do about sites. Link state and the age of what
// is known stand in two columns and are never mixed; a value older than the plan allows carries a "?".
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { Listing, SiteDetail, SiteReport, SiteSummary } from "../../shared/api.ts";
import type { JoinTokenCreated } from "../../shared/api-people.ts";
import { printable } from "../../shared/kit/shown.ts";
import { isLinked } from "../../shared/rules/freshness.ts";
import { age, fields, printList, printOne, table, type Column } from "./output.ts";
import type { Run } from "./run.ts";

/** A report older than this (ms) is marked: agents report a change within seconds, and everything at least every 5 minutes. */
const staleMs = 10 * 60_000;
const waitPollMs = 500;

export async function listSites(run: Run): Promise<void> {
  const { items } = await run.client().get<Listing<SiteSummary>>("/sites");
  const now = Date.now();
  const columns: Column<SiteSummary>[] = [
    { title: "NAME", value: (site) => site.name },
    { title: "LINK", value: (site) => site.link },
    { title: "LAST CONTACT", value: (site) => (isLinked(site.link) ? "now" : ago(site.lastContact, now)) },
    { title: "DATA AGE", value: (site) => ageOfReport(site.reportMade, now) },
    { title: "COMMANDS", value: (site) => String(site.openCommands) },
    { title: "TIER", value: (site) => site.tier },
    { title: "ID", value: (site) => site.id, wide: true },
    { title: "LABELS", value: (site) => labels(site.labels), wide: true },
  ];
  printList(run.terminal, run.format, items, columns, (site) => `site/${site.name}`, "no sites yet; make a join token: bowline token create --name NAME");
}

export async function describeSite(run: Run, name: string): Promise<void> {
  const site = await run.client().get<SiteDetail>(`/sites/${encodeURIComponent(name)}`);
  printOne(run.terminal, run.format, site, `site/${site.name}`, () => siteText(site, Date.now()));
}

function siteText(site: SiteDetail, now: number): string {
  const head = fields([
    ["Name", site.name],
    ["Id", site.id],
    ["State", site.state],
    ["Labels", labels(site.labels) || "none"],
    ["Tier", `${site.tier} (${site.setting})`],
    ["Link", site.linkSince === null ? `${site.link}, last contact ${ago(site.lastContact, now)}` : `${site.link} for ${age(site.linkSince, now)}${site.roundTripMs === null ? "" : `, round trip ${site.roundTripMs.toFixed(1)} ms`}`],
    ["Last link end", site.lastLinkEnd === null ? "none" : `${ago(site.lastLinkEnd.at, now)}: ${site.lastLinkEnd.why}`],
    ["Data age", ageOfReport(site.reportMade, now)],
    ["Agent", site.agentVersion ?? "unknown"],
    ["Live streams", String(site.liveStreams)],
    ["Open commands", String(site.openCommands)],
    ...site.warnings.map((warning) => ["Warning", warning] as const),
  ]);
  const events = site.events.length === 0 ? "" : `\nEvents (newest first; AT by the clock of whoever saw it):\n${table(site.events.slice(0, 20), [
    { title: "AT", value: (event) => event.at },
    { title: "RECEIVED", value: (event) => `${age(event.received, now)} ago` },
    { title: "KIND", value: (event) => event.kind },
    { title: "WHAT", value: (event) => event.what },
  ])}`;
  return `${head}${site.report === null ? "\nNo report yet.\n" : reportText(site.report, now)}${events}`;
}

function reportText(report: SiteReport, now: number): string {
  const made = new Date(report.madeAtMs).toISOString();
  const cluster = report.kubernetes.reachable ? `Kubernetes ${report.kubernetes.version ?? "unknown"}` : `API server not reachable: ${report.kubernetes.why ?? "unknown"}`;
  const lines = fields([
    ["Cluster", cluster],
    ["Nodes", `${report.nodes.filter((node) => node.ready).length} of ${report.nodesTotal} ready`],
    ["Workloads", `${report.unwellTotal} of ${report.workloadsTotal} not well`],
    ["Agent memory", `${report.agent.memoryMiB} MiB, up ${age(new Date(report.agent.startedAtMs).toISOString(), now)}`],
    ["Waiting there", `${report.queues.commandsOpen} commands, ${report.queues.lettersWaiting} letters`],
  ]);
  const unwell = report.unwell.map((item) => `  ${printable(`${item.namespace}/${item.kind}/${item.name}: ${item.why}`)}\n`).join("");
  const health = report.agent.health.map((item) => `  ${printable(`agent ${item.id}: ${item.what}`)}\n`).join("");
  return `\nReport made ${age(made, now)} ago (${made}):\n${lines}${unwell}${health}`;
}

function ago(iso: string | null, now: number): string {
  return iso === null ? "never" : `${age(iso, now)} ago`;
}

function ageOfReport(iso: string | null, now: number): string {
  if (iso === null) return "no data";
  return `${age(iso, now)}${now - Date.parse(iso) > staleMs ? " ?" : ""}`;
}

function labels(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

/** Waits until the site has a link. Fault GAVE_UP_WAITING. */
export async function waitForSite(run: Run, name: string, timeoutMs: number): Promise<void> {
  const until = Date.now() + timeoutMs;
  run.terminal.say(`waiting for ${name} to come online (Ctrl-C only stops waiting) ...\n`);
  for (;;) {
    const site = await run.client().get<SiteDetail>(`/sites/${encodeURIComponent(name)}`).catch((error: unknown) => {
      if (error instanceof Fault && error.code === "SITE_UNKNOWN") return null;
      throw error;
    });
    if (site !== null && isLinked(site.link)) return run.terminal.out(`${name} is online\n`);
    if (Date.now() >= until) throw new Fault("GAVE_UP_WAITING", { what: `${name} is not online`, why: site === null ? "no site of this name has joined" : `link ${site.link}, last contact ${ago(site.lastContact, Date.now())}`, hint: site === null ? "bowline site ls" : `bowline site describe ${name}` });
    await pause(systemClock, waitPollMs, run.signal);
  }
}

export async function approveSite(run: Run, name: string, code: string, rename: string | null): Promise<void> {
  const site = await run.client().post<SiteSummary>(`/sites/${encodeURIComponent(name)}/approve`, { code, ...(rename === null ? {} : { name: rename }) });
  printOne(run.terminal, run.format, site, `site/${site.name}`, () => `${site.name} is approved\n`);
}

export async function denySite(run: Run, name: string): Promise<void> {
  const site = await run.client().post<SiteSummary>(`/sites/${encodeURIComponent(name)}/deny`, {});
  printOne(run.terminal, run.format, site, `site/${site.name}`, () => `${site.name} is denied\n`);
}

export async function removeSite(run: Run, name: string): Promise<void> {
  const site = await run.client().delete<SiteSummary>(`/sites/${encodeURIComponent(name)}`);
  printOne(run.terminal, run.format, site, `site/${site.name}`, () => `${site.name} is revoked: its link is cut and its key refused\n`);
}

export interface TokenOptions {
  readonly name: string | undefined;
  readonly ttlMs: number;
  readonly uses: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly urls: readonly string[];
  readonly binding: "exporter" | "none" | undefined;
}

/** Hosts that mean "this machine" at the site too. */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

export async function createJoinToken(run: Run, options: TokenOptions): Promise<void> {
  const urls = options.urls.length > 0 ? options.urls : [run.server()];
  const request = { ...(options.name === undefined ? {} : { name: options.name }), ttlMs: options.ttlMs, uses: options.uses, labels: options.labels, urls, ...(options.binding === undefined ? {} : { binding: options.binding }) };
  const created = await run.client().post<JoinTokenCreated>("/tokens", request);
  printOne(run.terminal, run.format, created, `token/${created.id}`, () => `${created.token}\n`);
  if (run.format === "table") run.terminal.say(`expires ${created.expires}; at the site: bowline agent join --token TOKEN --kubeconfig FILE\n`);
  if (urls.every((url) => LOOPBACK.has(new URL(url).hostname))) run.terminal.say(`agents will dial ${urls.join(", ")}: only those on this machine arrive; --url https://NAME:PORT names the address for others\n`);
}

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly usesLeft: number;
  readonly expires: string;
  readonly state: string;
}

export async function listJoinTokens(run: Run): Promise<void> {
  const { items } = await run.client().get<Listing<TokenRow>>("/tokens");
  const columns: Column<TokenRow>[] = [
    { title: "ID", value: (row) => row.id },
    { title: "NAME", value: (row) => row.name },
    { title: "USES LEFT", value: (row) => String(row.usesLeft) },
    { title: "EXPIRES", value: (row) => row.expires },
    { title: "STATE", value: (row) => row.state },
  ];
  printList(run.terminal, run.format, items, columns, (row) => `token/${row.id}`, "no join tokens");
}

export async function revokeJoinToken(run: Run, id: string): Promise<void> {
  await run.client().delete(`/tokens/${encodeURIComponent(id)}`);
  run.terminal.say(`join token ${id} is revoked\n`);
}
