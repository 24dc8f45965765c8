// The states of a command at the relay and at the agent, and every event that moves them (delivery section 3). The table is the code: what is missing is a
// Fault and changes nothing. Pure.
import { Fault } from "../kit/errors.ts";

export type RelayState = "queued" | "blocked" | "offered" | "stored" | "running" | TerminalState;
export type TerminalState = "succeeded" | "failed" | "rejected" | "expired" | "superseded" | "cancelled" | "outcome-unknown" | "abandoned";
export type AgentState = "ready" | "claimed" | "outcome" | "reported" | "purged";

export const TERMINAL: readonly TerminalState[] = ["succeeded", "failed", "rejected", "expired", "superseded", "cancelled", "outcome-unknown", "abandoned"];
/** What an agent may say of a command's end. */
export const OUTCOMES: readonly TerminalState[] = ["succeeded", "failed", "rejected", "expired", "cancelled", "outcome-unknown"];

/** idempotent: may run again · verifiable: the cluster tells whether it ran · neither: starts at most once. */
export type Repeatability = "idempotent" | "verifiable" | "neither";

export type RelayEvent =
  | "expire" | "supersede" | "cancel" | "abandon" | "block" | "unblock"
  | "offer" | "heldByAgent" | "notHeldByAgent" | "receipt" | "refusedStorage" | "refusedTrust" | "reject"
  | "claimed" | "epochChangedRepeatable" | "epochChangedOnce"
  | `result:${TerminalState}`;

const results = (states: readonly TerminalState[]): Partial<Record<RelayEvent, RelayState>> => Object.fromEntries(states.map((state) => [`result:${state}`, state]));
const epochChanged = { epochChangedRepeatable: "queued", epochChangedOnce: "outcome-unknown" } as const;
/** Decided at the relay alone: nothing has left yet. */
const relayAlone = { expire: "expired", supersede: "superseded", cancel: "cancelled", abandon: "abandoned" } as const;

export const RELAY_TABLE: Readonly<Record<RelayState, Partial<Record<RelayEvent, RelayState>>>> = {
  queued: { ...relayAlone, block: "blocked", offer: "offered", ...results(OUTCOMES) },
  blocked: { ...relayAlone, unblock: "queued" },
  // A lost link changes nothing here: only the agent's word does.
  offered: { heldByAgent: "stored", notHeldByAgent: "queued", receipt: "stored", refusedStorage: "blocked", refusedTrust: "blocked", reject: "rejected", claimed: "running", abandon: "abandoned", ...epochChanged, ...results(OUTCOMES) },
  // The deadline belongs to the agent from here on: there is no "expire".
  stored: { receipt: "stored", claimed: "running", abandon: "abandoned", ...epochChanged, ...results(OUTCOMES) },
  running: { receipt: "running", claimed: "running", abandon: "abandoned", ...epochChanged, ...results(OUTCOMES) },
  succeeded: {}, failed: {}, rejected: {}, expired: {}, superseded: {}, cancelled: {}, "outcome-unknown": {}, abandoned: {},
};

export type AgentEvent = "expire" | "claim" | "cancel" | "settle" | "receipt" | "purge" | "runAgain";

export const AGENT_TABLE: Readonly<Record<AgentState, Partial<Record<AgentEvent, AgentState>>>> = {
  ready: { expire: "outcome", claim: "claimed", cancel: "outcome" },
  claimed: { settle: "outcome", runAgain: "claimed", cancel: "claimed" },
  outcome: { receipt: "reported" },
  reported: { purge: "purged", receipt: "reported" },
  purged: { cancel: "purged" },
};

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

/** A restart found a claim. The fifth restart of one command gives up on it: it may be what kills us. */
export const restartsMax = 5;

export type RecoveryAct = "runAgain" | "probe" | "probeOnly" | "unknown" | "poison";

export function recoveryAct(repeatability: Repeatability, attempts: number, isPastDeadline: boolean): RecoveryAct {
  if (attempts >= restartsMax) return "poison";
  if (isPastDeadline) return repeatability === "neither" ? "unknown" : "probeOnly";
  if (repeatability === "idempotent") return "runAgain";
  return repeatability === "verifiable" ? "probe" : "unknown";
}

/** What each kind of command is. A Job's name is derived from the command, so the cluster knows whether it was started. */
export const REPEATABILITY: Readonly<Record<string, Repeatability>> = { apply: "idempotent", job: "verifiable" };
