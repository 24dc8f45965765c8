// The states of a command against delivery.md section 3, written down here a second time: every step that is named is there, every other one is a Fault, and
// what is over stays over.
import { describe, expect, test } from "vitest";
import {
  AGENT_TABLE,
  isTerminal,
  nextAgentState,
  nextRelayState,
  OUTCOMES,
  recoveryAct,
  RELAY_TABLE,
  REPEATABILITY,
  restartsMax,
  TERMINAL,
  type AgentEvent,
  type AgentState,
  type RelayEvent,
  type RelayState,
} from "./command-state.ts";

const relayStates = Object.keys(RELAY_TABLE) as RelayState[];
const agentStates = Object.keys(AGENT_TABLE) as AgentState[];
const results = OUTCOMES.map((outcome) => [`result:${outcome}`, outcome] as const);

/** From, event, to. */
const RELAY_STEPS: readonly (readonly [readonly RelayState[], RelayEvent, RelayState])[] = [
  [["queued", "blocked"], "expire", "expired"],
  [["queued", "blocked"], "supersede", "superseded"],
  [["queued", "blocked"], "cancel", "cancelled"],
  [["queued"], "block", "blocked"],
  [["blocked"], "unblock", "queued"],
  [["queued"], "offer", "offered"],
  [["offered"], "heldByAgent", "stored"],
  [["offered"], "notHeldByAgent", "queued"],
  [["offered"], "receipt", "stored"],
  [["offered"], "refusedStorage", "blocked"],
  [["offered"], "refusedTrust", "blocked"],
  [["offered"], "reject", "rejected"],
  // The claim and the result may overtake the receipt, and each may come again.
  [["offered", "stored", "running"], "claimed", "running"],
  [["stored"], "receipt", "stored"],
  [["running"], "receipt", "running"],
  [["offered", "stored", "running"], "epochChangedRepeatable", "queued"],
  [["offered", "stored", "running"], "epochChangedOnce", "outcome-unknown"],
  [["queued", "blocked", "offered", "stored", "running"], "abandon", "abandoned"],
  // A command that waits again may have run before: its true result wins over another run.
  ...results.map(([event, to]) => [["queued", "offered", "stored", "running"], event, to] as const),
];

const AGENT_STEPS: readonly (readonly [AgentState, AgentEvent, AgentState])[] = [
  ["ready", "expire", "outcome"],
  ["ready", "claim", "claimed"],
  ["ready", "cancel", "outcome"],
  ["claimed", "settle", "outcome"],
  ["claimed", "runAgain", "claimed"],
  ["claimed", "cancel", "claimed"],
  ["outcome", "receipt", "reported"],
  ["reported", "receipt", "reported"],
  ["reported", "purge", "purged"],
  ["purged", "cancel", "purged"],
];

const relayEvents = [...new Set([...RELAY_STEPS.map(([, event]) => event), ...TERMINAL.map((state) => `result:${state}` as const)])];
const agentEvents = [...new Set(AGENT_STEPS.map(([, event]) => event))];

describe("at the relay", () => {
  test.each(relayStates.flatMap((from) => relayEvents.map((event) => [from, event] as const)))("%s takes %s as the table says", (from, event) => {
    const step = RELAY_STEPS.find(([states, named]) => named === event && states.includes(from));
    if (step === undefined)
      expect(() => nextRelayState(from, event)).toThrow(
        expect.objectContaining({ code: "STATE_REFUSED", message: `a command that is ${from} cannot take ${event}` }),
      );
    else expect(nextRelayState(from, event)).toBe(step[2]);
  });

  test("the table has no event that is not judged here", () => {
    for (const [from, events] of Object.entries(RELAY_TABLE))
      expect(
        Object.keys(events).filter((event) => !relayEvents.includes(event as RelayEvent)),
        from,
      ).toEqual([]);
  });

  test("the end is the end: a terminal state takes nothing, and every other has a way on", () => {
    for (const state of relayStates) expect(Object.keys(RELAY_TABLE[state]).length === 0, state).toBe(isTerminal(state));
    expect([...TERMINAL].sort()).toEqual(relayStates.filter((state) => isTerminal(state)).sort());
  });

  test("once the agent has it, the deadline is the agent's: the relay expires, supersedes and cancels nothing that has left", () => {
    for (const state of ["offered", "stored", "running"] as const)
      for (const event of ["expire", "supersede", "cancel"] as const)
        expect(() => nextRelayState(state, event)).toThrow(expect.objectContaining({ code: "STATE_REFUSED" }));
  });

  test("an agent never says superseded or abandoned: these are the relay's own words", () => {
    expect(TERMINAL.filter((state) => !OUTCOMES.includes(state))).toEqual(["superseded", "abandoned"]);
  });

  test("names that every object has are no events", () => {
    for (const event of ["toString", "constructor", "__proto__"])
      expect(() => nextRelayState("queued", event as RelayEvent)).toThrow(expect.objectContaining({ code: "STATE_REFUSED" }));
  });
});

describe("at the agent", () => {
  test.each(agentStates.flatMap((from) => agentEvents.map((event) => [from, event] as const)))("%s takes %s as the table says", (from, event) => {
    const step = AGENT_STEPS.find(([state, named]) => state === from && named === event);
    if (step === undefined) expect(() => nextAgentState(from, event)).toThrow(expect.objectContaining({ code: "STATE_REFUSED" }));
    else expect(nextAgentState(from, event)).toBe(step[2]);
  });

  test("a claim comes before an effect: nothing settles that was not claimed", () => {
    for (const state of agentStates)
      if (state !== "claimed") expect(() => nextAgentState(state, "settle")).toThrow(expect.objectContaining({ code: "STATE_REFUSED" }));
  });
});

describe("a restart that finds a claim", () => {
  test.each([
    ["idempotent", false, "runAgain"],
    ["verifiable", false, "probe"],
    ["neither", false, "unknown"],
    ["idempotent", true, "probeOnly"],
    ["verifiable", true, "probeOnly"],
    ["neither", true, "unknown"],
  ] as const)("of a command that is %s, past its deadline: %s, decides %s; the fifth gives up on it", (repeatability, isPastDeadline, act) => {
    for (let attempts = 1; attempts < restartsMax; attempts += 1) expect(recoveryAct(repeatability, attempts, isPastDeadline)).toBe(act);
    expect(recoveryAct(repeatability, restartsMax, isPastDeadline)).toBe("poison");
    expect(restartsMax).toBe(5);
  });

  test("never runs again what may start once only", () => {
    for (const isPastDeadline of [false, true])
      for (let attempts = 0; attempts < 10; attempts += 1)
        expect(["runAgain", "probe", "probeOnly"]).not.toContain(recoveryAct("neither", attempts, isPastDeadline));
  });

  test("each kind of command says what it is", () => {
    expect(REPEATABILITY).toEqual({ apply: "idempotent", job: "verifiable" });
  });
});
