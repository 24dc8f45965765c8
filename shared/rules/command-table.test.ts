// The table of states, as sentences of delivery section 3: every row that the design names, and that what it does not name changes nothing.
import { describe, expect, test } from "vitest";
import { Fault } from "../kit/errors.ts";
import { AGENT_TABLE, nextAgentState, nextRelayState, OUTCOMES, RELAY_TABLE, resultVerdict, TERMINAL, type AgentEvent, type AgentState, type RelayEvent, type RelayState } from "./command-state.ts";

const OPEN: readonly RelayState[] = ["queued", "blocked", "offered", "stored", "running"];
const AWAY: readonly RelayState[] = ["offered", "stored", "running"];

describe("at the relay", () => {
  test.each(OPEN)("a claim that a site sends for a %s command is believed", (state) => {
    expect(nextRelayState(state, "claimed")).toBe("running");
  });

  test.each(OPEN)("every outcome that a site may report ends a %s command", (state) => {
    for (const outcome of OUTCOMES) expect(nextRelayState(state, `result:${outcome}`)).toBe(outcome);
  });

  test.each(AWAY)("the agent's word that it holds a %s command is no fault, whatever was heard before", (state) => {
    expect(nextRelayState(state, "heldByAgent")).toBe(state === "offered" ? "stored" : state);
    expect(nextRelayState(state, "receipt")).toBe(state === "offered" ? "stored" : state);
  });

  test.each(["queued", "blocked"] as const)("a %s command can end here alone: by its deadline, a newer one, a cancel, an operator", (state) => {
    expect((["expire", "supersede", "cancel", "abandon"] as const).map((event) => nextRelayState(state, event))).toEqual(["expired", "superseded", "cancelled", "abandoned"]);
  });

  test.each(AWAY)("a %s command is not expired, superseded or cancelled by the relay: a cancel is asked for and changes nothing", (state) => {
    for (const event of ["expire", "supersede", "cancel"] as const) expect(() => nextRelayState(state, event)).toThrow(Fault);
    expect(nextRelayState(state, "cancelAsked")).toBe(state);
    expect(nextRelayState(state, "abandon")).toBe("abandoned");
  });

  test.each(AWAY)("when the agent's database is gone, a %s command is queued again if it may run twice, else its outcome is unknown", (state) => {
    expect([nextRelayState(state, "epochChangedRepeatable"), nextRelayState(state, "epochChangedOnce")]).toEqual(["queued", "outcome-unknown"]);
  });

  test.each(TERMINAL)("%s stays what it is whatever comes late, and only what is no success can be skipped", (state) => {
    for (const event of ["receipt", "heldByAgent", "claimed", ...OUTCOMES.map((outcome) => `result:${outcome}` as const)] as const) expect(nextRelayState(state, event)).toBe(state);
    if (state === "succeeded") expect(() => nextRelayState(state, "skip")).toThrow(Fault);
    else expect(nextRelayState(state, "skip")).toBe(state);
    for (const event of ["offer", "unblock", "expire", "cancel", "abandon"] as const) expect(() => nextRelayState(state, event)).toThrow(Fault);
  });

  test("nothing leads out of a terminal state", () => {
    for (const state of TERMINAL) expect(new Set([state, ...Object.values(RELAY_TABLE[state])])).toEqual(new Set([state]));
  });

  test("what the table does not have is a Fault that names both", () => {
    expect(() => nextRelayState("queued", "receipt")).toThrow(/queued cannot take receipt/);
    expect(() => nextRelayState("stored", "offer" as RelayEvent)).toThrow(Fault);
  });
});

describe("a result", () => {
  test.each(OPEN)("ends a %s command", (state) => expect(resultVerdict(state, "failed")).toBe("end"));
  test("that was said before is the same", () => expect(TERMINAL.map((state) => resultVerdict(state, state))).toEqual(TERMINAL.map(() => "same")));
  test("for a command that was given up is evidence", () => expect([resultVerdict("abandoned", "succeeded"), resultVerdict("outcome-unknown", "failed")]).toEqual(["evidence", "evidence"]));
  test("that contradicts an end is an alarm", () => expect([resultVerdict("succeeded", "failed"), resultVerdict("expired", "succeeded"), resultVerdict("cancelled", "succeeded")]).toEqual(["alarm", "alarm", "alarm"]));
});

describe("at the agent", () => {
  test("a command goes from ready through claimed and outcome to a tombstone", () => {
    const steps: readonly AgentEvent[] = ["claim", "runAgain", "settle", "receipt", "receipt", "purge", "receipt"];
    const path = steps.reduce<AgentState[]>((states, event) => [...states, nextAgentState(states.at(-1)!, event)], ["ready"]);
    expect(path).toEqual(["ready", "claimed", "claimed", "outcome", "reported", "reported", "purged", "purged"]);
  });

  test("a cancel ends what is ready, asks what is claimed, and changes nothing that has ended", () => {
    expect((Object.keys(AGENT_TABLE) as AgentState[]).map((state) => `${state} ${nextAgentState(state, "cancel")}`)).toEqual(["withdrawn withdrawn", "ready outcome", "claimed claimed", "outcome outcome", "reported reported", "purged purged"]);
  });

  test("a cancel that came first has nothing to claim or settle", () => {
    for (const event of ["claim", "settle", "receipt", "purge"] as const) expect(() => nextAgentState("withdrawn", event)).toThrow(/withdrawn here cannot take/);
  });
});
