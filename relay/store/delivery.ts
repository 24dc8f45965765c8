// The relay's end of the couriers, as store operations: letters are leased (offered, durable) before they leave and only for the site's newest link, settled by
// receipts of the link they left on, or by what the agent says it holds; letters from sites are taken once. delivery.md sections 2 to 4.
import { crashPoint } from "../../shared/kit/crash.ts";
import { sha256 } from "../../shared/kit/keys.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { CommandOutcome } from "../../shared/api.ts";
import { cancelledCommand } from "../../shared/outbox/letter.ts";
import { isInDoubt, isUnderWay, leaseLetters, removeLetter, returnLetter, type LeaseArgs } from "../../shared/outbox/outbox.ts";
import { findCommandKind } from "../../shared/rules/command-kinds.ts";
import type { RelayState, TerminalState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import type { CommandRecord } from "../../shared/rules/records.ts";
import { headerBytes, type HeaderParts } from "../../shared/trust/envelope.ts";
import { blockCommand, commandClaimed, commandGone, commandNotHeld, commandOffered, commandRefused, commandResult, commandStored, endHere, isMissed, release } from "./command-steps.ts";
import { putEvent } from "./events.ts";
import { takeRecords } from "./restored.ts";
import { hinderingPredecessor, openPredecessor } from "./targets.ts";

export interface LeasedCommand {
  /** Of the letter. */
  readonly id: string;
  readonly kind: "command" | "cancel";
  readonly ord: number;
  readonly lane: LaneName;
  /** Command that must be settled at the site first, or null. */
  readonly after: string | null;
  /** What is signed, with this signer's number and the hash of its header before. */
  readonly parts: HeaderParts;
  readonly body: Uint8Array;
  /** Hex SHA-256 of the body as it was accepted. */
  readonly bodyHash: string;
}

interface Candidate {
  id: string;
  ord: number;
  lane: LaneName;
  kind: string;
  state: RelayState;
  nbf_ms: number;
  deadline_ms: number;
  asked_ms: number;
  body: Uint8Array;
  body_hash: string;
}

export interface CommandLease extends LeaseArgs {
  /** Hex id of the key that signs. */
  readonly kid: string;
}

/** Takes what the site may be sent now, each with its header drawn up in this transaction. Nothing for a link that is not the site's newest, nor while its records are waited for. */
export function* leaseCommands(args: CommandLease): Operation<LeasedCommand[]> {
  const leased: LeasedCommand[] = [];
  const owner = yield* queryOne<{ fence: number }>("SELECT fence FROM sites WHERE id = ? AND state = 'active' AND restored_ms IS NULL", args.site);
  if (owner === null || Number(owner.fence) !== args.fence) return leased;
  for (;;) {
    const letters = yield* leaseLetters(args);
    for (const letter of letters) {
      const command = letter.kind === "cancel" ? yield* leaseCancel(args, letter.id) : yield* leaseOne(args, letter.id);
      if (command !== null) leased.push(command);
    }
    // All that came may have expired or been kept back: there may be more behind them.
    if (letters.length === 0 || leased.length > 0) return leased;
  }
}

function* leaseOne(args: CommandLease, id: string): Operation<LeasedCommand | null> {
  const { site, nowMs } = args;
  const command = yield* queryOne<Candidate>("SELECT id, ord, lane, kind, state, nbf_ms, deadline_ms, asked_ms, body, body_hash FROM commands WHERE id = ?", id);
  if (command === null || command.state !== "queued") {
    yield* removeLetter(id);
    return null;
  }
  if (Number(command.deadline_ms) < nowMs) {
    yield* endHere({ site, id }, "expire", "its deadline passed before the site returned", nowMs);
    return null;
  }
  const ord = Number(command.ord);
  const hindering = yield* hinderingPredecessor(id, command.lane);
  if (hindering !== null) {
    yield* blockCommand({ site, id }, "block", "dependency", `waits for ${hindering}`);
    return null;
  }
  const after = yield* openPredecessor(id);
  const parts = yield* drawHeader(args, command);
  yield* commandOffered(id, command.state, parts.seq, nowMs);
  yield* release({ site, id }, nowMs);
  return { id, kind: "command", ord, lane: command.lane, after, parts, body: command.body, bodyHash: command.body_hash };
}

function* leaseCancel(args: CommandLease, id: string): Operation<LeasedCommand | null> {
  const command = yield* queryOne<Candidate & { cancel_asked_by: string }>("SELECT id, ord, kind, nbf_ms, deadline_ms, asked_ms, cancel_asked_by FROM commands WHERE id = ? AND state IN ('offered', 'stored', 'running')", cancelledCommand(id) ?? "");
  if (command === null) {
    yield* removeLetter(id);
    return null;
  }
  const body = Buffer.from(JSON.stringify({ operator: command.cancel_asked_by }));
  const bodyHash = sha256(body).toString("hex");
  const parts = yield* drawHeader(args, { ...command, body, body_hash: bodyHash }, "cancel");
  return { id, kind: "cancel", ord: Number(command.ord), lane: "control", after: null, parts, body, bodyHash };
}

/**
 * The next header of this signer for the site. Its number is never less than the time: a relay that was restored from yesterday's copy draws none again that it
 * used since. Below the numbers that are under way nothing comes any more. The hash of the header before is evidence of a hole, never a condition.
 */
function* drawHeader({ site, nowMs, kid }: CommandLease, command: Candidate, typ: "command" | "cancel" = "command"): Operation<HeaderParts> {
  const underWay = yield* queryOne<{ seq: number | null }>("SELECT MIN(seq) AS seq FROM commands WHERE site = ? AND state = 'offered'", site);
  const cancels = yield* queryOne("SELECT id FROM outbox WHERE site = ? AND kind = 'cancel' AND state = 'offered' LIMIT 1", site); // theirs are not kept: no floor while one is under way
  const drawn = (yield* queryOne<{ seq: number; epoch: number; prev_hash: string }>("UPDATE sites SET next_seq = CASE WHEN next_seq < ? THEN ? ELSE next_seq END + 1 WHERE id = ? RETURNING next_seq - 1 AS seq, epoch, prev_hash", nowMs, nowMs, site))!;
  const seq = Number(drawn.seq);
  const least = underWay === null || underWay.seq === null ? seq : Math.min(seq, Number(underWay.seq));
  const cls = findCommandKind(command.kind)?.cls ?? "admin"; // unknown: by the class that asks most
  const parts: HeaderParts = { typ, aud: site, epoch: Number(drawn.epoch), seq, floor: cancels === null ? least - 1 : 0, prev: drawn.prev_hash, cid: command.id, iat: Number(command.asked_ms), nbf: Number(command.nbf_ms), exp: Number(command.deadline_ms), cls };
  const header = headerBytes(parts, kid, { len: command.body.length, sha256: command.body_hash });
  yield* query("UPDATE sites SET prev_hash = ? WHERE id = ?", sha256(header).toString("hex"), site);
  crashPoint("seq-drawn");
  return parts;
}

export interface SettledLetter {
  readonly site: string;
  readonly id: string;
  readonly fence: number;
  readonly status: "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed";
  readonly nowMs: number;
}

export function* settleLetter(args: SettledLetter): Operation<void> {
  crashPoint("receipt-before-commit");
  // A receipt of an older link says nothing of what left on this one; what is in doubt is settled by the agent's HELD.
  if (!(yield* isUnderWay(args.id, args.fence))) return;
  if (cancelledCommand(args.id) !== null) return yield* settleCancel(args);
  if (args.status === "committed") return yield* commandStored(args, "receipt", args.nowMs);
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", args.id);
  if (row?.state === "offered") yield* commandRefused(args, args.status, args.nowMs);
  else yield* removeLetter(args.id);
}

/** A refused cancel waits for the sweep's time (ms) before it is asked again. */
const cancelAgainMs = 30_000;

/** The site has the cancel, or will not have it: then the command goes its way, and says so. */
function* settleCancel({ site, id, status, nowMs }: SettledLetter): Operation<void> {
  if (status === "storage" || status === "trust") return yield* returnLetter({ id, notBeforeMs: nowMs + cancelAgainMs, hasFailed: true });
  yield* removeLetter(id);
  const command = cancelledCommand(id)!;
  if (status !== "committed") yield* putEvent({ id: `relay-refused-${id}-${nowMs}`, site, atMs: nowMs, nowMs, kind: "command", what: `${command}: the site refused to cancel it: ${status}` });
}

/** A command that cannot be put into a letter: said, ended, and no reason to stop the others. */
export function* rejectUnsendable(args: { readonly site: string; readonly id: string; readonly why: string; readonly nowMs: number }): Operation<void> {
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", args.id);
  if (row?.state === "offered") yield* endHere(args, "reject", `it cannot be sent: ${args.why}`, args.nowMs);
}

/**
 * The agent's answer about what was in doubt. Nothing when a newer link has asked since: its own answer counts. Null, or the command that the site has receipted and
 * does not know: then nothing is settled, for what it says it holds may be of another day too. Its new epoch settles all (links.ts).
 */
export function* settleInDoubt(args: { readonly site: string; readonly fence: number; readonly inDoubt: readonly string[]; readonly held: readonly string[]; readonly nowMs: number }): Operation<string | null> {
  const { site, nowMs } = args;
  const owner = yield* queryOne<{ fence: number; agent_epoch: string }>("SELECT fence, agent_epoch FROM sites WHERE id = ?", site);
  if (owner === null || Number(owner.fence) !== args.fence) return null;
  const held = new Set(args.held);
  for (const id of args.inDoubt) {
    if (held.has(id) || !(yield* isMissed({ site, id }, nowMs))) continue;
    yield* putEvent({ id: `relay-missed-${site}-${owner.agent_epoch}`, site, atMs: nowMs, nowMs, kind: "alarm", what: `the site does not know ${id}, which it has receipted: its database was put back from a copy; it is told to make it anew` });
    return id;
  }
  for (const id of args.inDoubt) {
    if (!(yield* isInDoubt(id))) {
      // A late receipt settled it meanwhile, or it was asked about because it should be there.
      if (!held.has(id)) yield* commandGone({ site: args.site, id }, args.nowMs);
      continue;
    }
    if (cancelledCommand(id) !== null) yield* held.has(id) ? removeLetter(id) : returnLetter({ id, notBeforeMs: 0, hasFailed: false });
    else if (held.has(id)) yield* commandStored({ site: args.site, id }, "heldByAgent", args.nowMs);
    else yield* commandNotHeld({ site: args.site, id }, args.nowMs);
  }
  return null;
}

/** A letter from a site, opened and judged; `id` is taken once. */
export type SiteLetter =
  | { readonly kind: "claim"; readonly command: string; readonly startedMs: number }
  | { readonly kind: "result"; readonly command: string; readonly header: string; readonly startedMs: number | null; readonly endedMs: number; readonly outcome: CommandOutcome & { readonly state: TerminalState } }
  | { readonly kind: "records"; readonly relayEpoch: number; readonly isLast: boolean; readonly commands: readonly CommandRecord[] }
  | { readonly kind: "report"; readonly ord: number; readonly madeMs: number; readonly body: string }
  | { readonly kind: "event"; readonly atMs: number; readonly event: string; readonly what: string };

/** Notes of letters that were taken, per site. At most 128 can be without a receipt at the agent; twice that is more than any of them can be behind. */
const inboxNotesMax = 256;

/** False: the link it came on is no longer the site's newest, and nothing was stored. */
export function* takeSiteLetter(args: { readonly site: string; readonly id: string; readonly fence: number; readonly letter: SiteLetter; readonly nowMs: number }): Operation<boolean> {
  const { site, id } = args;
  const owner = yield* queryOne<{ n: number; agent_epoch: string | null }>("UPDATE sites SET inbox_n = inbox_n + 1 WHERE id = ? AND fence = ? RETURNING inbox_n AS n, agent_epoch", site, args.fence);
  if (owner === null) return false;
  const taken = yield* query("INSERT INTO inbox (site, id, n) VALUES (?, ?, ?) ON CONFLICT (site, id) DO NOTHING RETURNING id", site, id, owner.n);
  if (taken.length === 0) return true;
  yield* query("DELETE FROM inbox WHERE site = ? AND n <= ?", site, Number(owner.n) - inboxNotesMax);
  yield* takeContent(args, owner.agent_epoch);
  return true;
}

function* takeContent(args: { readonly site: string; readonly id: string; readonly letter: SiteLetter; readonly nowMs: number }, agentEpoch: string | null): Operation<void> {
  const { site, letter, nowMs } = args;
  switch (letter.kind) {
    case "claim":
      return yield* commandClaimed({ site, id: letter.command, startedSiteMs: letter.startedMs, nowMs });
    case "result":
      yield* commandResult({ site, id: letter.command, outcome: letter.outcome, header: letter.header, startedSiteMs: letter.startedMs, endedSiteMs: letter.endedMs, nowMs });
      return crashPoint("result-before-commit");
    case "records":
      return yield* takeRecords({ ...letter, site, nowMs });
    case "report":
      // The newest of one database wins by its own count: the site's clock may have gone back.
      yield* query(
        "INSERT INTO reports (site, agent_epoch, ord, made_site_ms, received_ms, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (site) DO UPDATE SET agent_epoch = excluded.agent_epoch, ord = excluded.ord, made_site_ms = excluded.made_site_ms, received_ms = excluded.received_ms, body = excluded.body WHERE reports.agent_epoch IS NULL OR reports.agent_epoch <> excluded.agent_epoch OR reports.ord <= excluded.ord",
        site,
        agentEpoch,
        letter.ord,
        letter.madeMs,
        nowMs,
        letter.body,
      );
      return;
    case "event":
      return yield* putEvent({ id: `${site}-${args.id}`, site, atMs: letter.atMs, nowMs, kind: letter.event, what: letter.what });
  }
}

/** The newest report of a site as JSON, or null. */
export function* reportOf(args: { readonly site: string }): Operation<string | null> {
  const row = yield* queryOne<{ body: string }>("SELECT body FROM reports WHERE site = ?", args.site);
  return row?.body ?? null;
}
