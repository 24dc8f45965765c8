// What a site knows of a command, as it tells a relay that was put back from a copy. Read by its shape and within bounds: a signature says whose it is, not that it
// is small. Pure.
import type { CommandOutcome } from "../api.ts";
import { Fault } from "../kit/errors.ts";
import type { TerminalState } from "./command-state.ts";
import { parseOutcome } from "./outcome.ts";
import { isSiteTime } from "./site-time.ts";

/** Records in one letter: some hundred octets each, a signed header of a few hundred more while that is kept. */
export const recordsPerLetter = 200;
const idCharsMax = 80;
const headerCharsMax = 4_096;

export type CommandRecord =
  | { readonly id: string; readonly state: "ready" }
  | { readonly id: string; readonly state: "claimed"; readonly startedMs: number }
  | { readonly id: string; readonly state: "ended"; readonly header: string; readonly startedMs: number | null; readonly endedMs: number; readonly outcome: CommandOutcome & { readonly state: TerminalState } };

/** Fault ENVELOPE_MALFORMED for anything else than a list of records. */
export function parseRecords(value: unknown): CommandRecord[] {
  if (!Array.isArray(value) || value.length > recordsPerLetter) throw malformed(`it does not list at most ${recordsPerLetter} commands`);
  return value.map(parseRecord);
}

function parseRecord(value: unknown): CommandRecord {
  const { id, state, header, startedMs, endedMs, outcome } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof id !== "string" || id === "" || id.length > idCharsMax) throw malformed("one of its commands has no id");
  if (state === "ready") return { id, state };
  if (state === "claimed" && isSiteTime(startedMs)) return { id, state, startedMs };
  if (state !== "ended" || !isSiteTime(endedMs) || (startedMs !== null && !isSiteTime(startedMs)) || typeof header !== "string") throw malformed(`what it says of ${id} is not of the documented form`);
  return { id, state, header: header.slice(0, headerCharsMax), startedMs, endedMs, outcome: parseOutcome(outcome) };
}

function malformed(why: string): Fault {
  return new Fault("ENVELOPE_MALFORMED", { what: "a site's records are not of the documented form", why });
}
