// The states of a command at the relay and at the agent, and every event that moves them (delivery section 3). The table is the code: what is missing is a
// Fault and changes nothing. What a site reports is true whatever state the relay believes in, so a claim and a result are in every row. Pure.
import { Fault } from "../kit/errors.ts";

export type RelayState = "queued" | "blocked" | "offered" | "stored" | "running" | TerminalState;
export type TerminalState = "succeeded" | "failed" | "rejected" | "expired" | "superseded" | "cancelled" | "outcome-unknown" | "abandoned";
/** `withdrawn`: a cancel came before its command, which then ends as it arrives. `purged`: a tombstone, nothing else is kept. */
export type AgentState = "withdrawn" | "ready" | "claimed" | "outcome" | "reported" | "purged";
/** Why a command waits at the relay although its site may be linked. */
export type BlockReason = "storage" | "trust" | "dependency" | "rollout" | "restored";

export const TERMINAL: readonly TerminalState[] = ["succeeded", "failed", "rejected", "expired", "superseded", "cancelled", "outcome-unknown", "abandoned"];
/** What an agent may say of a command's end. */
export const OUTCOMES: readonly TerminalState[] = ["succeeded", "failed", "rejected", "expired", "cancelled", "outcome-unknown"];

export type RelayEvent =
  | "expire" | "supersede" | "cancel" | "abandon" | "block" | "unblock"
  | "offer" | "heldByAgent" | "notHeldByAgent" | "receipt" | "refusedStorage" | "refusedTrust" | "reject"
  | "claimed" | "cancelAsked" | "skip" | "epochChangedRepeatable" | "epochChangedOnce" | "endUnseen"
  | `result:${TerminalState}`;

type Row = Partial<Record<RelayEvent, RelayState>>;

const results = Object.fromEntries(OUTCOMES.map((state) => [`result:${state}`, state])) as Row;
/** endUnseen: it is not done any more, and whether it was done before a disk was lost nobody can say. */
const endUnseen = { endUnseen: "outcome-unknown" } as const;
const epochChanged = { epochChangedRepeatable: "queued", epochChangedOnce: "outcome-unknown", ...endUnseen } as const;
/** Decided at the relay alone: nothing is at the site as far as the relay knows. */
const relayAlone = { expire: "expired", supersede: "superseded", cancel: "cancelled", abandon: "abandoned" } as const;

/** The first terminal state wins: whatever comes late changes nothing. `skip` lets the key go on behind an end that was no success. */
function ended(state: TerminalState): Row {
  const late = ["receipt", "heldByAgent", "claimed", ...OUTCOMES.map((outcome) => `result:${outcome}` as const)] as const;
  return Object.fromEntries([...late, ...(state === "succeeded" ? [] : (["skip"] as const))].map((event) => [event, state]));
}

export const RELAY_TABLE: Readonly<Record<RelayState, Row>> = {
  // A site may have what it said it had no room for (a commit that failed can still be durable), and what left before this relay was put back from a copy.
  queued: { ...relayAlone, ...endUnseen, block: "blocked", offer: "offered", heldByAgent: "stored", claimed: "running", ...results },
  blocked: { ...relayAlone, ...endUnseen, block: "blocked", unblock: "queued", heldByAgent: "stored", claimed: "running", ...results },
  // A lost link changes nothing here: only the agent's word does.
  offered: { heldByAgent: "stored", notHeldByAgent: "queued", receipt: "stored", refusedStorage: "blocked", refusedTrust: "blocked", reject: "rejected", claimed: "running", cancelAsked: "offered", abandon: "abandoned", ...epochChanged, ...results },
  // The deadline belongs to the agent from here on: there is no "expire". A receipt of the link before and the agent's HELD may both say it.
  stored: { receipt: "stored", heldByAgent: "stored", claimed: "running", cancelAsked: "stored", abandon: "abandoned", ...epochChanged, ...results },
  running: { receipt: "running", heldByAgent: "running", claimed: "running", cancelAsked: "running", abandon: "abandoned", ...epochChanged, ...results },
  succeeded: ended("succeeded"),
  failed: ended("failed"),
  rejected: ended("rejected"),
  expired: ended("expired"),
  superseded: ended("superseded"),
  cancelled: ended("cancelled"),
  "outcome-unknown": ended("outcome-unknown"),
  abandoned: ended("abandoned"),
};

export type AgentEvent = "expire" | "refuse" | "claim" | "cancel" | "settle" | "receipt" | "purge" | "runAgain";

export const AGENT_TABLE: Readonly<Record<AgentState, Partial<Record<AgentEvent, AgentState>>>> = {
  withdrawn: { cancel: "withdrawn" },
  // refuse: what is here is not what was signed any more.
  ready: { expire: "outcome", refuse: "outcome", claim: "claimed", cancel: "outcome" },
  // A cancel is best effort here: the true outcome wins.
  claimed: { settle: "outcome", runAgain: "claimed", cancel: "claimed" },
  outcome: { receipt: "reported", cancel: "outcome" },
  reported: { purge: "purged", receipt: "reported", cancel: "reported" },
  purged: { receipt: "purged", cancel: "purged" },
};

const UNDONE: ReadonlySet<RelayEvent> = new Set(["expire", "supersede", "cancel", "reject", "result:expired", "result:cancelled", "result:rejected"]);

/** Of a command whose site has lost a database that held it, what says that nothing was done says only that nothing is done any more. */
export function eventAfterLoss(event: RelayEvent): RelayEvent {
  return UNDONE.has(event) ? "endUnseen" : event;
}

export function isTerminal(state: RelayState): state is TerminalState {
  return (TERMINAL as readonly string[]).includes(state);
}

export function nextRelayState(from: RelayState, event: RelayEvent): RelayState {
  const to = Object.hasOwn(RELAY_TABLE[from], event) ? RELAY_TABLE[from][event] : undefined;
  if (to === undefined) throw new Fault("STATE_REFUSED", { what: `a command that is ${from} cannot take ${event}`, why: "the table of states has no such step" });
  return to;
}

export function nextAgentState(from: AgentState, event: AgentEvent): AgentState {
  const to = Object.hasOwn(AGENT_TABLE[from], event) ? AGENT_TABLE[from][event] : undefined;
  if (to === undefined) throw new Fault("STATE_REFUSED", { what: `a command that is ${from} here cannot take ${event}`, why: "the table of states has no such step" });
  return to;
}

/** end: this is its end · same: said before · evidence: the truth about a command that was given up, kept beside it · alarm: two ends that cannot both be. */
export type ResultVerdict = "end" | "same" | "evidence" | "alarm";

/** What a site's signed result means for a command in this state. It is never refused: refused results would be lost where they are true. */
export function resultVerdict(state: RelayState, reported: TerminalState): ResultVerdict {
  if (!isTerminal(state)) return "end";
  if (state === reported) return "same";
  return state === "abandoned" || state === "outcome-unknown" ? "evidence" : "alarm";
}
