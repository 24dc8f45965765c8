// Sites: the waiting room and the record of an approved site. Names are unique while a site is not revoked; an id is never used again. What links tell about a
// site is in links.ts.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { requireSiteName } from "../../shared/rules/target.ts";
import { markChanged } from "./changes.ts";
import { putEvent } from "./events.ts";
import { putRestore } from "./restores.ts";
import { takeJoinUse } from "./join-tokens.ts";

export type SiteState = "waiting" | "active" | "denied" | "revoked";

export interface SiteRow {
  readonly id: string;
  readonly name: string;
  readonly state: SiteState;
  readonly signKey: string;
  readonly boxKey: string;
  /** JSON. */
  readonly labels: string;
  readonly tier: string;
  readonly binding: "exporter" | "none";
  readonly epoch: number;
  readonly statement: Uint8Array | null;
  readonly statementVersion: number;
  readonly createdMs: number;
  readonly boot: string | null;
  readonly dial: number | null;
  readonly fence: number;
  /** Rises when this store turns out to be older than what the site knows. */
  readonly relayEpoch: number;
  /** Since when (ms) its own record of its commands is waited for, or null. */
  readonly restoredMs: number | null;
  readonly nextOrder: number;
  readonly agentEpoch: string | null;
  readonly agentVersion: string | null;
  readonly lastContactMs: number | null;
  readonly linkEndMs: number | null;
  readonly linkEndWhy: string | null;
}

export interface SiteView extends SiteRow {
  readonly openCommands: number;
  readonly reportMadeMs: number | null;
  readonly reportReceivedMs: number | null;
}

const COLUMNS =
  'id, name, state, sign_key AS "signKey", box_key AS "boxKey", labels, tier, binding, epoch, statement, statement_version AS "statementVersion", created_ms AS "createdMs", boot, dial, fence, relay_epoch AS "relayEpoch", restored_ms AS "restoredMs", next_order AS "nextOrder", agent_epoch AS "agentEpoch", agent_version AS "agentVersion", last_contact_ms AS "lastContactMs", link_end_ms AS "linkEndMs", link_end_why AS "linkEndWhy"';
export const OPEN_STATES = "('queued', 'blocked', 'offered', 'stored', 'running')";
const VIEW = `${COLUMNS}, (SELECT COUNT(*) FROM commands c WHERE c.site = s.id AND c.state IN ${OPEN_STATES}) AS "openCommands", (SELECT made_site_ms FROM reports r WHERE r.site = s.id) AS "reportMadeMs", (SELECT received_ms FROM reports r WHERE r.site = s.id) AS "reportReceivedMs"`;
/** Agents that wait for approval at once; beyond it a stolen multi-use token could fill the table. */
const waitingMax = 1_000;
const sitesListedMax = 20_000;

export function* findSite(args: { readonly name: string }): Operation<SiteRow | null> {
  return yield* queryOne<SiteRow>(`SELECT ${COLUMNS} FROM sites WHERE name = ?`, args.name);
}

export function* findSiteById(args: { readonly id: string }): Operation<SiteRow | null> {
  return yield* queryOne<SiteRow>(`SELECT ${COLUMNS} FROM sites WHERE id = ?`, args.id);
}

export function* listSites(_args: null): Operation<SiteView[]> {
  return yield* query<SiteView>(`SELECT ${VIEW} FROM sites s WHERE state <> 'revoked' ORDER BY name LIMIT ?`, sitesListedMax);
}

export function* siteView(args: { readonly name: string }): Operation<SiteView> {
  const row = yield* queryOne<SiteView>(`SELECT ${VIEW} FROM sites s WHERE name = ?`, args.name);
  if (row === null) throw unknownSite(args.name);
  return row;
}

export function unknownSite(name: string): Fault {
  return new Fault("SITE_UNKNOWN", { what: `there is no site "${name.slice(0, 64)}"`, why: "no site of this name has joined, or it is not yours to see", hint: "bowline site ls" });
}

export interface JoinArgs {
  readonly token: string;
  readonly site: string;
  readonly signKey: string;
  readonly boxKey: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly boot: string;
  readonly dial: number;
  readonly fence: number;
  readonly nowMs: number;
}

/** Takes a use and parks the agent in the waiting room; the same key again gets the same record. */
export function* joinSite(args: JoinArgs): Operation<SiteRow> {
  const token = yield* takeJoinUse({ id: args.token, signKey: args.signKey, nowMs: args.nowMs });
  const known = yield* findSiteById({ id: args.site });
  if (known !== null) {
    requireNotRefused(known);
    return known;
  }
  yield* requireWaitingRoom();
  const name = requireSiteName(siteName(token.name, args.name), "make a new join token: bowline token create --name plant-07");
  const taken = yield* findSite({ name });
  if (taken !== null) throw new Fault("CONFLICT", { what: `there is a site "${name}" already`, why: "a site's name is used once", hint: `choose another with --name, or remove the old one: bowline site rm ${name}` });
  const labels = { ...args.labels, ...(JSON.parse(token.labels) as Record<string, string>) };
  yield* insertSite({ ...args, id: args.site, name, labels, tier: token.tier, binding: token.binding, epoch: 1 });
  yield* putEvent({ id: `relay-join-${args.site}`, site: args.site, atMs: args.nowMs, nowMs: args.nowMs, kind: "joined", what: `asks to join with a token ${token.id}` });
  const row = yield* findSiteById({ id: args.site });
  return row!;
}

export interface ParkArgs {
  readonly id: string;
  readonly name: string;
  readonly signKey: string;
  readonly boxKey: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tier: string;
  readonly epoch: number;
  readonly binding: string;
  readonly boot: string;
  readonly dial: number;
  readonly fence: number;
  readonly nowMs: number;
}

/** A site that this store has lost, by the statement that this relay signed once: it waits for a person, as one that joins. Fault TOO_MANY. */
export function* parkSite(site: ParkArgs & { readonly trustVersion: number }): Operation<SiteRow> {
  yield* requireWaitingRoom();
  const name = (yield* findSite({ name: site.name })) === null ? site.name : `${site.name.slice(0, 50)}-${site.id.slice(2, 10)}`;
  yield* insertSite({ ...site, name });
  yield* putRestore({ site: site.id, relayEpoch: 1, trustVersion: site.trustVersion, why: "it shows this relay's signature under its name, and the store has no record of it", nowMs: site.nowMs });
  yield* putEvent({ id: `relay-returned-${site.id}-${site.nowMs}`, site: site.id, atMs: site.nowMs, nowMs: site.nowMs, kind: "joined", what: `returned: this relay approved it as ${site.name} once and has lost its record; approve it again, or deny it` });
  return (yield* findSiteById({ id: site.id }))!;
}

function* requireWaitingRoom(): Operation<void> {
  const waiting = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM sites WHERE state = 'waiting'");
  if (Number(waiting?.n ?? 0) >= waitingMax) throw new Fault("TOO_MANY", { what: `${waitingMax} agents wait for approval already`, hint: "approve or deny them: bowline site ls" });
}

function* insertSite(site: ParkArgs): Operation<void> {
  yield* query(
    "INSERT INTO sites (id, name, state, sign_key, box_key, labels, tier, binding, epoch, statement_version, created_ms, next_order, next_seq, prev_hash, inbox_n, boot, dial, fence) VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, 0, ?, 1, 1, '', 0, ?, ?, ?)",
    site.id,
    site.name,
    site.signKey,
    site.boxKey,
    JSON.stringify(site.labels),
    site.tier,
    site.binding,
    site.epoch,
    site.nowMs,
    site.boot,
    site.dial,
    site.fence,
  );
}

/** A token's name wins; a pattern such as `shop-*` judges the name that the agent brings. */
function siteName(pattern: string, wanted: string): string {
  if (pattern === "") return wanted;
  if (!pattern.includes("*")) return pattern;
  const [head, tail] = pattern.split("*") as [string, string];
  if (wanted.startsWith(head) && wanted.endsWith(tail) && wanted.length >= pattern.length - 1) return wanted;
  throw new Fault("CONFLICT", { what: `the name "${wanted}" does not fit the join token`, why: `it takes names like ${pattern}`, hint: `bowline agent join --name ${pattern.replace("*", "NN")} ...` });
}

export function requireNotRefused(site: SiteRow): void {
  if (site.state === "denied") throw new Fault("JOIN_DENIED", { what: `an operator refused the agent "${site.name}"`, hint: `ask the centre; to try again: bowline site rm ${site.name} there, then join with a new token and an empty --data folder` });
  if (site.state === "revoked") throw new Fault("SITE_REVOKED", { what: "this site was revoked", hint: "to join again, use a new join token and an empty --data folder" });
}

/** Approves (with the signed statement), renames, or denies a waiting site. */
export function* approveSite(args: { readonly id: string; readonly name: string; readonly statement: Uint8Array; readonly operator: string; readonly nowMs: number }): Operation<SiteRow> {
  const taken = yield* queryOne<{ id: string }>("SELECT id FROM sites WHERE name = ? AND id <> ?", args.name, args.id);
  if (taken !== null) throw new Fault("CONFLICT", { what: `there is a site "${args.name}" already`, hint: "choose another: bowline approve NAME --code CODE --name OTHER" });
  const rows = yield* query("UPDATE sites SET state = 'active', name = ?, statement = ?, statement_version = statement_version + 1 WHERE id = ? AND state = 'waiting' RETURNING id", args.name, args.statement, args.id);
  if (rows.length === 0) throw new Fault("STATE_REFUSED", { what: `${args.name} does not wait for approval`, why: "somebody decided about it meanwhile", hint: "bowline site ls" });
  yield* putEvent({ id: `relay-approve-${args.id}`, site: args.id, atMs: args.nowMs, nowMs: args.nowMs, kind: "approved", what: `approved by ${args.operator}` });
  return (yield* findSiteById({ id: args.id }))!;
}

export function* endSite(args: { readonly id: string; readonly to: "denied" | "revoked"; readonly operator: string; readonly nowMs: number }): Operation<SiteRow> {
  const site = yield* findSiteById({ id: args.id });
  if (site === null) throw unknownSite(args.id);
  if (args.to === "denied" && site.state !== "waiting") throw new Fault("STATE_REFUSED", { what: `${site.name} does not wait for approval`, why: `it is ${site.state}`, hint: `to end a site: bowline site rm ${site.name}` });
  if (site.state === "revoked") throw new Fault("STATE_REFUSED", { what: `${site.name} is revoked already`, why: "a revoked site stays revoked", hint: "bowline site ls" });
  // A revoked site frees its name, so that the same place can join anew with new keys. Nobody joins with "--" in a name, and the whole id is nobody else's.
  const name = args.to === "revoked" ? `${site.name}--revoked-${site.id.slice(2)}` : site.name;
  yield* query("UPDATE sites SET state = ?, name = ? WHERE id = ?", args.to, name, args.id);
  if (args.to === "revoked") {
    yield* query("DELETE FROM outbox WHERE site = ?", args.id);
    const open = yield* query<{ id: string }>(`UPDATE commands SET state = 'abandoned', why = 'the site was revoked', ended_ms = ?, body = NULL WHERE site = ? AND state IN ${OPEN_STATES} RETURNING id`, args.nowMs, args.id);
    for (const { id } of open) yield* markChanged(id);
    yield* query("DELETE FROM command_targets WHERE site = ?", args.id);
    // Its events stay, as evidence; what it last said of itself, and the notes of its letters, are of no use to anybody.
    yield* query("DELETE FROM reports WHERE site = ?", args.id);
    yield* query("DELETE FROM inbox WHERE site = ?", args.id);
  }
  yield* putEvent({ id: `relay-${args.to}-${args.id}`, site: args.id, atMs: args.nowMs, nowMs: args.nowMs, kind: args.to, what: `${args.to} by ${args.operator}` });
  return { ...site, name: site.name, state: args.to };
}
