// The states of a command against delivery.md section 3, written down here a second time: every step that is named is there, every other one is a Fault, and
// what is over stays over.
import { describe, expect, test } from "vitest";
import {
  AGENT_TABLE,
  isTerminal,
  nextAgentState,
  nextRelayState,
  OUTCOMES,
  RELAY_TABLE,
  resultVerdict,
  TERMINAL,
  type AgentEvent,
  type AgentState,
  type RelayEvent,
  type RelayState,
} from "./command-state.ts";

const relayStates = Object.keys(RELAY_TABLE) as RelayState[];
const agentStates = Object.keys(AGENT_TABLE) as AgentState[];
const results = OUTCOMES.map((outcome) => [`result:${outcome}`, outcome] as const);

const open: readonly RelayState[] = ["queued", "blocked", "offered", "stored", "running"];
const away: readonly RelayState[] = ["offered", "stored", "running"];

/** From, event, to. */
const RELAY_STEPS: readonly (readonly [readonly RelayState[], RelayEvent, RelayState])[] = [
  [["queued", "blocked"], "expire", "expired"],
  [["queued", "blocked"], "supersede", "superseded"],
  [["queued", "blocked"], "cancel", "cancelled"],
  // Blocked again for another reason.
  [["queued", "blocked"], "block", "blocked"],
  [["blocked"], "unblock", "queued"],
  [["queued"], "offer", "offered"],
  // A relay that was put back from a copy learns what left before.
  [["queued", "blocked"], "heldByAgent", "stored"],
  [["offered"], "notHeldByAgent", "queued"],
  [["offered"], "refusedStorage", "blocked"],
  [["offered"], "refusedTrust", "blocked"],
  [["offered"], "reject", "rejected"],
  // A receipt of the link before and the agent's HELD may both say it, and claim and result may overtake both.
  ...(["receipt", "heldByAgent"] as const).flatMap((event) => [[["offered", "stored"], event, "stored"] as const, [["running"], event, "running"] as const]),
  ...away.map((state) => [[state], "cancelAsked", state] as const),
  [away, "epochChangedRepeatable", "queued"],
  [away, "epochChangedOnce", "outcome-unknown"],
  [open, "endUnseen", "outcome-unknown"],
  [open, "abandon", "abandoned"],
  // A command that waits here may be at the site all the same: its true claim and result win over another run.
  [open, "claimed", "running"],
  ...results.map(([event, to]) => [open, event, to] as const),
  // What comes late changes nothing; what is no success may be skipped, so that its key goes on.
  ...TERMINAL.flatMap((state) => (["receipt", "heldByAgent", "claimed", ...results.map(([event]) => event)] as const).map((event) => [[state], event, state] as const)),
  ...TERMINAL.filter((state) => state !== "succeeded").map((state) => [[state], "skip", state] as const),
];

const AGENT_STEPS: readonly (readonly [AgentState, AgentEvent, AgentState])[] = [
  // A cancel that came first has nothing to claim or settle.
  ["withdrawn", "cancel", "withdrawn"],
  ["ready", "expire", "outcome"],
  ["ready", "refuse", "outcome"],
  ["ready", "claim", "claimed"],
  ["ready", "cancel", "outcome"],
  ["claimed", "settle", "outcome"],
  ["claimed", "runAgain", "claimed"],
  ["claimed", "cancel", "claimed"],
  ["outcome", "receipt", "reported"],
  ["outcome", "cancel", "outcome"],
  ["reported", "receipt", "reported"],
  ["reported", "cancel", "reported"],
  ["reported", "purge", "purged"],
  ["purged", "receipt", "purged"],
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

  test("the end is the end: nothing leads out of a terminal state, and every other has a way on", () => {
    for (const state of relayStates) expect(Object.values(RELAY_TABLE[state]).every((to) => to === state), state).toBe(isTerminal(state));
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

  test("the table has no event that is not judged here", () => {
    for (const [from, events] of Object.entries(AGENT_TABLE)) expect(Object.keys(events).filter((event) => !agentEvents.includes(event as AgentEvent)), from).toEqual([]);
  });

  test("a claim comes before an effect: nothing settles that was not claimed", () => {
    for (const state of agentStates)
      if (state !== "claimed") expect(() => nextAgentState(state, "settle")).toThrow(expect.objectContaining({ code: "STATE_REFUSED" }));
  });
});

describe("a result", () => {
  test.each(open)("ends a %s command", (state) => expect(resultVerdict(state, "failed")).toBe("end"));
  test("that was said before is the same", () => expect(TERMINAL.map((state) => resultVerdict(state, state))).toEqual(TERMINAL.map(() => "same")));
  test("for a command that was given up is evidence", () => expect([resultVerdict("abandoned", "succeeded"), resultVerdict("outcome-unknown", "failed")]).toEqual(["evidence", "evidence"]));
  test("that contradicts an end is an alarm", () => {
    for (const state of TERMINAL.filter((one) => one !== "abandoned" && one !== "outcome-unknown"))
      for (const outcome of OUTCOMES.filter((one) => one !== state)) expect(resultVerdict(state, outcome)).toBe("alarm");
  });
});
