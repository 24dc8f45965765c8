// A link of a site in the store: its beginning is one transaction (who it is, whether the agent's database is a new one, what is in doubt on both ends), because
// a relay that dies in between must find either all of it or nothing. Its end is written once. Link facts are written then, never per frame.
import { Fault } from "../../shared/kit/errors.ts";
import { query, type Operation } from "../../shared/kit/store.ts";
import { inDoubtLetters, removeLetter } from "../../shared/outbox/outbox.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { letterCreditLetters } from "../../shared/wire/limits.ts";
import { dropCancelLetter, endHere, queueLetter, stepCommand, unblockCommand } from "./command-steps.ts";
import { putEvent } from "./events.ts";
import { afterRestore, lostEvidence, type GivenOut } from "./restored.ts";
import { findSiteById, requireNotRefused, type SiteRow } from "./sites.ts";

export interface LinkBegin {
  readonly id: string;
  readonly boot: string;
  readonly dial: number;
  readonly fence: number;
  readonly agentEpoch: string;
  readonly agentVersion: string;
  readonly freeOctets: number;
  /** Error bound of the site's clock, or null while it does not know the time. */
  readonly clockErrorMs: number | null;
  /** Letters of the agent's that left on an earlier link and have no receipt there. */
  readonly agentInDoubt: readonly string[];
  /** What the site has from this relay at most. */
  readonly given: GivenOut;
  readonly nowMs: number;
}

export interface LinkVerdict {
  readonly site: SiteRow;
  /** A dial number that goes back across boots: a second agent runs with a copy of this site's keys. An answer and no Fault, so that the event stays. */
  readonly isClone: boolean;
  /** Letters of ours that the agent has to judge, and commands that should be there. */
  readonly inDoubt: readonly string[];
  /** Letters of the agent's that are committed here. */
  readonly held: readonly string[];
}

const NOTHING = { inDoubt: [], held: [] } as const;

/** Judges boot and dial numbers, takes the site for this fence, settles what a lost database means, and says what is in doubt. Faults SITE_UNKNOWN, SITE_REVOKED, JOIN_DENIED, LINK_LATE. */
export function* admitLink(args: LinkBegin): Operation<LinkVerdict> {
  const { id, boot, dial, fence, nowMs } = args;
  const site = yield* findSiteById({ id });
  if (site === null) throw new Fault("SITE_UNKNOWN", { what: "the relay does not know this site", why: "its database may be older than the site", hint: "join again with a new token and an empty --data folder: bowline agent join --token TOKEN --data FOLDER" });
  requireNotRefused(site);
  const lastDial = site.dial ?? -1;
  if (site.boot === boot && dial <= lastDial) throw new Fault("LINK_LATE", { what: "a newer dial of the same agent is already linked", why: `dial ${dial} came after ${lastDial}` });
  if (site.boot !== boot && dial <= lastDial) {
    yield* putEvent({ id: `relay-clone-${boot}-${dial}`, site: id, atMs: nowMs, nowMs, kind: "cloned", what: `a second agent with this site's keys dialled (dial ${dial}, last known ${lastDial}); it is refused` });
    return { site, isClone: true, ...NOTHING };
  }
  if (fence < Number(site.fence)) throw new Fault("LINK_LATE", { what: "a newer link of this site is there already", why: `this handshake began before it (${fence}, ${site.fence})` });
  yield* query(
    "UPDATE sites SET boot = ?, dial = ?, fence = ?, agent_version = ?, agent_epoch = ?, free_octets = ?, clock_error_ms = ?, last_contact_ms = ?, link_end_ms = NULL WHERE id = ?",
    boot,
    dial,
    fence,
    args.agentVersion,
    args.agentEpoch,
    args.freeOctets,
    args.clockErrorMs,
    nowMs,
    id,
  );
  if (site.state === "waiting") return { site, isClone: false, ...NOTHING };
  const hasNewDatabase = site.agentEpoch !== null && site.agentEpoch !== args.agentEpoch;
  if (hasNewDatabase) yield* afterLostDisk(id, nowMs);
  const why = lostEvidence(site, fence, args.given);
  if (why !== null) yield* afterRestore({ site, given: args.given, why, canTell: !hasNewDatabase, nowMs });
  const held = yield* heldHere(id, args.agentInDoubt);
  yield* unblockCommands({ site: id, nowMs });
  return { site: (yield* findSiteById({ id }))!, isClone: false, inDoubt: yield* inDoubtHere(id), held };
}

/** Of what a site should hold, those that it stored last are named first: a database of the site that was put back from a copy lacks them before any other. */
const newestNamed = 8;

/**
 * What left without a receipt, and then what the site should hold, as far as one WELCOME can name it. A store that was put back from a copy does not know itself
 * that a command has ended since, so every link asks: the agent sends the result again. Behind the newest the oldest deadlines, so that what ended long ago comes to
 * its turn.
 */
function* inDoubtHere(site: string): Operation<string[]> {
  const letters = yield* inDoubtLetters(site);
  const room = letterCreditLetters - letters.length;
  const there = "SELECT id FROM commands WHERE site = ? AND state IN ('stored', 'running')";
  const newest = yield* query<{ id: string }>(`${there} ORDER BY stored_ms DESC, ord DESC LIMIT ?`, site, Math.min(room, newestNamed));
  const oldest = yield* query<{ id: string }>(`${there} ORDER BY deadline_ms, ord LIMIT ?`, site, room);
  return [...new Set([...letters, ...newest.map(({ id }) => id), ...oldest.map(({ id }) => id)])].slice(0, letterCreditLetters);
}

/** What the agent does not list as in doubt has its receipt, so its note here can go. */
function* heldHere(site: string, agentInDoubt: readonly string[]): Operation<string[]> {
  const asked = new Set(agentInDoubt);
  const held: string[] = [];
  for (const { id } of yield* query<{ id: string }>("SELECT id FROM inbox WHERE site = ? ORDER BY n", site)) {
    if (asked.has(id)) held.push(id);
    else yield* query("DELETE FROM inbox WHERE site = ? AND id = ?", site, id);
  }
  return held;
}

/** The agent's database is another one: what it had is gone. What may run twice is queued again; what may not is of unknown outcome. */
function* afterLostDisk(site: string, nowMs: number): Operation<void> {
  const rows = yield* query<{ id: string; ord: number; octets: number; lane: LaneName; repeatability: string }>("SELECT id, ord, octets, lane, repeatability FROM commands WHERE site = ? AND state IN ('offered', 'stored', 'running') ORDER BY ord", site);
  const why = "the agent's database was lost";
  for (const { id, lane, repeatability, ord, octets } of rows) {
    if (repeatability === "neither") {
      yield* endHere({ site, id }, "epochChangedOnce", `${why} while it was there, and it may not run twice`, nowMs);
      continue;
    }
    yield* removeLetter(id);
    // A cancel would end it unseen as it arrives again, whatever it did before its disk was lost: it has to be asked for anew.
    yield* dropCancelLetter(id);
    yield* query("UPDATE commands SET cancel_asked_ms = NULL, cancel_asked_by = NULL, lost_ms = ? WHERE id = ?", nowMs, id);
    yield* stepCommand(id, "epochChangedRepeatable", "");
    yield* queueLetter({ site, id, lane, ord: Number(ord), octets: Number(octets) }, nowMs);
  }
  yield* query("DELETE FROM inbox WHERE site = ?", site);
  yield* putEvent({ id: `relay-epoch-${site}-${nowMs}`, site, atMs: nowMs, nowMs, kind: "lost-disk", what: `the agent has a new database; ${rows.length} commands were settled or queued again` });
}

/** What was blocked for a reason that a new look may lift is queued again: on each new link, and after a while on a live one. What waits for an operator stays. */
export function* unblockCommands(args: { readonly site: string; readonly nowMs: number }): Operation<number> {
  const rows = yield* query<{ id: string }>("SELECT id FROM commands WHERE site = ? AND state = 'blocked' AND blocked_reason IN ('storage', 'trust', 'dependency') ORDER BY ord", args.site);
  for (const { id } of rows) yield* unblockCommand({ site: args.site, id }, args.nowMs);
  return rows.length;
}

export function* endLink(args: { readonly id: string; readonly fence: number; readonly lastContactMs: number; readonly nowMs: number; readonly why: string }): Operation<void> {
  yield* query("UPDATE sites SET last_contact_ms = ?, link_end_ms = ?, link_end_why = ? WHERE id = ? AND fence = ?", args.lastContactMs, args.nowMs, args.why.slice(0, 500), args.id, args.fence);
}

/** Written now and then while a link lives, so that a relay that is killed knows roughly when it last heard. */
export function* touchSites(args: { readonly sites: readonly { readonly id: string; readonly lastContactMs: number }[] }): Operation<void> {
  for (const site of args.sites) yield* query("UPDATE sites SET last_contact_ms = ? WHERE id = ?", site.lastContactMs, site.id);
}
