// An outcome within its bound: what a command left behind travels in one letter, whatever an API server had to say about each of a thousand objects. Failures are
// kept before successes, and what is left out is counted. Pure.
import type { CommandOutcome } from "../api.ts";

/** Octets of an outcome as JSON. A thousand objects with their names fit; a thousand essays do not. */
export const outcomeOctetsMax = 262_144;
const whatCharsMax = 2_000;
const whyCharsMax = 500;
const refCharsMax = 400;

type ObjectResult = CommandOutcome["objects"][number];

export function boundedOutcome(outcome: CommandOutcome): CommandOutcome {
  const objects = outcome.objects.map((object) => ({ ...object, ref: cut(object.ref, refCharsMax), why: cut(object.why, whyCharsMax) }));
  const whole = { ...outcome, what: cut(outcome.what, whatCharsMax), objects };
  if (jsonOctets(whole) <= outcomeOctetsMax) return whole;
  const kept = withinBudget(objects, outcomeOctetsMax - jsonOctets({ ...whole, objects: [] }) - 100);
  return { ...whole, what: cut(`${cut(outcome.what, whatCharsMax - 60)} (${objects.length - kept.length} of ${objects.length} objects are not listed)`, whatCharsMax), objects: kept };
}

/** Failures first, then the others, each in its order; listed in the order they had. */
function withinBudget(objects: readonly ObjectResult[], budget: number): ObjectResult[] {
  const kept = new Set<ObjectResult>();
  let left = budget;
  for (const isFailed of [true, false]) {
    for (const object of objects) {
      if ((object.result === "failed") !== isFailed) continue;
      left -= jsonOctets(object) + 1;
      if (left < 0) return objects.filter((item) => kept.has(item));
      kept.add(object);
    }
  }
  return [...objects];
}

export function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}

/** Octets of a value as JSON in UTF-8. */
function jsonOctets(value: unknown): number {
  const text = JSON.stringify(value);
  let octets = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) octets += code >= 0x800 ? 2 : 1;
  }
  return octets;
}
