// The relay's end of the couriers, as store operations: letters are leased (offered, durable) before they leave, settled by receipts, reconciled when a
// link begins; letters from sites are taken once. delivery.md sections 2 to 4.
import { crashPoint } from "../../shared/kit/crash.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import type { CommandOutcome } from "../../shared/api.ts";
import { inDoubtLetters, isInDoubt, isUnderWay, leaseLetters, removeLetter, type LeaseArgs } from "../../shared/outbox/outbox.ts";
import { repeatabilityOf } from "../../shared/rules/command-kinds.ts";
import { nextRelayState, type RelayState, type TerminalState } from "../../shared/rules/command-state.ts";
import { commandClaimed, commandNotHeld, commandRefused, commandStored, endCommand, endHere, queueLetter, stepCommand, unblockCommands } from "./commands.ts";
import { putEvent } from "./events.ts";
import { OPEN_STATES } from "./sites.ts";

export interface LeasedCommand {
  readonly id: string;
  readonly ord: number;
  /** Command that must be settled at the site first, or null. */
  readonly after: string | null;
  /** This signer's number for the site. */
  readonly seq: number;
  readonly epoch: number;
  readonly operator: string;
  readonly deadlineMs: number;
  readonly askedMs: number;
  readonly body: Uint8Array;
}

interface Candidate {
  id: string;
  ord: number;
  ordering_key: string;
  state: RelayState;
  operator: string;
  deadline_ms: number;
  asked_ms: number;
  body: Uint8Array;
}

/** Takes what the site may be sent now, each with its signer's number drawn in this transaction. */
export function* leaseCommands(args: LeaseArgs): Operation<LeasedCommand[]> {
  const leased: LeasedCommand[] = [];
  for (const letter of yield* leaseLetters(args)) {
    const command = yield* queryOne<Candidate>("SELECT id, ord, ordering_key, state, operator, deadline_ms, asked_ms, body FROM commands WHERE id = ?", letter.id);
    if (command === null || command.state !== "queued") {
      yield* removeLetter(letter.id);
      continue;
    }
    if (Number(command.deadline_ms) < args.nowMs) {
      yield* endHere(args.site, letter.id, "expire", "its deadline passed before the site returned", args.nowMs);
      continue;
    }
    const before = yield* queryOne<{ id: string; state: RelayState }>(
      `SELECT id, state FROM commands WHERE site = ? AND ordering_key = ? AND ord < ? AND state IN ${OPEN_STATES} ORDER BY ord DESC LIMIT 1`,
      args.site,
      command.ordering_key,
      command.ord,
    );
    if (before !== null && (before.state === "queued" || before.state === "blocked")) {
      // A predecessor that cannot go keeps its successors here, out of the way of other keys.
      yield* removeLetter(letter.id);
      yield* stepCommand(letter.id, "block", `waits for ${before.id}`);
      continue;
    }
    yield* query("UPDATE commands SET state = ?, offered_ms = ? WHERE id = ?", nextRelayState(command.state, "offer"), args.nowMs, command.id);
    const drawn = yield* queryOne<{ seq: number; epoch: number }>("UPDATE sites SET next_seq = next_seq + 1 WHERE id = ? RETURNING next_seq - 1 AS seq, epoch", args.site);
    leased.push({
      id: command.id,
      ord: Number(command.ord),
      after: before?.id ?? null,
      seq: Number(drawn!.seq),
      epoch: Number(drawn!.epoch),
      operator: command.operator,
      deadlineMs: Number(command.deadline_ms),
      askedMs: Number(command.asked_ms),
      body: command.body,
    });
  }
  return leased;
}

export function* settleLetter(args: { readonly site: string; readonly id: string; readonly fence: number; readonly status: "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed"; readonly nowMs: number }): Operation<void> {
  crashPoint("receipt-before-commit");
  if (!(yield* isUnderWay(args.id, args.fence))) return; // of an older link: what is in doubt is settled by the agent's HELD
  if (args.status === "committed") return yield* commandStored(args.id, "receipt", args.nowMs);
  const row = yield* queryOne<{ state: RelayState }>("SELECT state FROM commands WHERE id = ?", args.id);
  if (row?.state === "offered") yield* commandRefused({ site: args.site, id: args.id, status: args.status, nowMs: args.nowMs });
  else yield* removeLetter(args.id);
}

export interface Reconciliation {
  /** Letters of ours that the agent has to judge. */
  readonly inDoubt: readonly string[];
  /** Letters of the agent's that are committed here. */
  readonly held: readonly string[];
}

/** A link begins: which letters are in doubt on each side. What the agent does not list as in doubt has its receipt, so its note here can go. */
export function* reconcileLetters(args: { readonly site: string; readonly agentInDoubt: readonly string[]; readonly hasNewEpoch: boolean; readonly nowMs: number }): Operation<Reconciliation> {
  if (args.hasNewEpoch) yield* afterLostDisk(args.site, args.nowMs);
  const notes = yield* query<{ id: string }>("SELECT id FROM inbox WHERE site = ?", args.site);
  const asked = new Set(args.agentInDoubt);
  const held: string[] = [];
  for (const { id } of notes) {
    if (asked.has(id)) held.push(id);
    else yield* query("DELETE FROM inbox WHERE site = ? AND id = ?", args.site, id);
  }
  yield* unblockCommands({ site: args.site, nowMs: args.nowMs });
  return { inDoubt: yield* inDoubtLetters(args.site), held };
}

/** The agent's database is another one: what it had is gone. What may run twice is queued again; what may not is of unknown outcome. */
function* afterLostDisk(site: string, nowMs: number): Operation<void> {
  const rows = yield* query<{ id: string; ord: number; octets: number; kind: string }>("SELECT id, ord, octets, kind FROM commands WHERE site = ? AND state IN ('offered', 'stored', 'running') ORDER BY ord", site);
  for (const row of rows) {
    const isRepeatable = repeatabilityOf(row.kind) !== "neither";
    yield* removeLetter(row.id);
    yield* stepCommand(row.id, isRepeatable ? "epochChangedRepeatable" : "epochChangedOnce", "the agent's database was lost");
    if (isRepeatable) yield* queueLetter(site, row.id, Number(row.ord), Number(row.octets), nowMs);
    else yield* query("UPDATE commands SET ended_ms = ? WHERE id = ?", nowMs, row.id);
  }
  yield* query("DELETE FROM inbox WHERE site = ?", site);
  yield* putEvent({ id: `relay-epoch-${site}-${nowMs}`, site, atMs: nowMs, nowMs, kind: "lost-disk", what: `the agent has a new database; ${rows.length} commands were settled or queued again` });
}

/** The agent's answer about what was in doubt. */
export function* settleInDoubt(args: { readonly site: string; readonly inDoubt: readonly string[]; readonly held: readonly string[]; readonly nowMs: number }): Operation<void> {
  const held = new Set(args.held);
  for (const id of args.inDoubt) {
    if (!(yield* isInDoubt(id))) continue;
    if (held.has(id)) yield* commandStored(id, "heldByAgent", args.nowMs);
    else yield* commandNotHeld(id);
  }
}

/** A letter from a site, opened and judged; `id` is taken once. */
export type SiteLetter =
  | { readonly kind: "claim"; readonly command: string; readonly startedMs: number }
  | { readonly kind: "result"; readonly command: string; readonly startedMs: number | null; readonly endedMs: number; readonly outcome: CommandOutcome }
  | { readonly kind: "report"; readonly madeMs: number; readonly body: string }
  | { readonly kind: "event"; readonly atMs: number; readonly event: string; readonly what: string };

/** False: the link it came on is no longer the site's newest, and nothing was stored. */
export function* takeSiteLetter(args: { readonly site: string; readonly id: string; readonly fence: number; readonly letter: SiteLetter; readonly nowMs: number }): Operation<boolean> {
  const { site, id, letter, nowMs } = args;
  const owner = yield* queryOne<{ fence: number }>("SELECT fence FROM sites WHERE id = ?", site);
  if (owner === null || Number(owner.fence) !== args.fence) return false;
  const taken = yield* query("INSERT INTO inbox (site, id) VALUES (?, ?) ON CONFLICT (site, id) DO NOTHING RETURNING id", site, id);
  if (taken.length === 0) return true;
  switch (letter.kind) {
    case "claim":
      yield* commandClaimed({ site, id: letter.command, startedSiteMs: letter.startedMs, nowMs });
      break;
    case "result":
      yield* endCommand({ site, id: letter.command, state: letter.outcome.state as TerminalState, outcome: JSON.stringify(letter.outcome), startedSiteMs: letter.startedMs, endedSiteMs: letter.endedMs, nowMs });
      crashPoint("result-before-commit");
      break;
    case "report":
      yield* query(
        "INSERT INTO reports (site, made_site_ms, received_ms, body) VALUES (?, ?, ?, ?) ON CONFLICT (site) DO UPDATE SET made_site_ms = excluded.made_site_ms, received_ms = excluded.received_ms, body = excluded.body",
        site,
        letter.madeMs,
        nowMs,
        letter.body,
      );
      break;
    case "event":
      yield* putEvent({ id: `${site}-${id}`, site, atMs: letter.atMs, nowMs, kind: letter.event, what: letter.what });
      break;
  }
  return true;
}

/** The newest report of a site as JSON, or null. */
export function* reportOf(args: { readonly site: string }): Operation<string | null> {
  const row = yield* queryOne<{ body: string }>("SELECT body FROM reports WHERE site = ?", args.site);
  return row?.body ?? null;
}
