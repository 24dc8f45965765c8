// An outcome within its bound: what a command left behind travels in one letter, whatever an API server had to say about each of a thousand objects. Failures are
// kept before successes, and what is left out is counted. The relay reads it by its shape and bounds it again: a signature says whose it is, not that it is small.
// Pure.
import type { CommandLog, CommandOutcome } from "../api.ts";
import { Fault, isFaultCode } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";
import { OUTCOMES, type TerminalState } from "./command-state.ts";

/** Octets of an outcome as JSON. A thousand objects with their names fit; a thousand essays do not. */
export const outcomeOctetsMax = 262_144;
const whatCharsMax = 2_000;
const whyCharsMax = 500;
const refCharsMax = 400;
/** Octets of a log's end as JSON: some hundred lines, a quarter of the outcome. */
export const logOctetsMax = 65_536;
/** Characters (base64, so octets too) of a bundle. With a log, a sentence and a reason that are as long as they may be, an outcome is still within its bound. */
export const bundleCharsMax = 180_224;

type ObjectResult = CommandOutcome["objects"][number];

/** `octetsMax`: of this kind of command, where it declares less than any outcome may have. */
export function boundedOutcome({ log, bundle, ...rest }: CommandOutcome, octetsMax = outcomeOctetsMax): CommandOutcome {
  const objects = rest.objects.map((object) => ({ ...object, ref: cut(object.ref, refCharsMax), why: cut(object.why, whyCharsMax) }));
  const isBundle = bundle !== undefined && bundle.length <= bundleCharsMax && BASE64.test(bundle); // cut short it would be nothing
  // Behind the objects: whoever reads the head of an outcome finds what is above them.
  const whole = { ...rest, what: cut(rest.what, whatCharsMax), objects, ...(log === undefined ? {} : { log: boundedLog(log) }), ...(isBundle ? { bundle } : {}) };
  if (jsonOctets(whole) <= octetsMax) return whole;
  const kept = withinBudget(objects, octetsMax - jsonOctets({ ...whole, objects: [] }) - 100);
  return { ...whole, what: cut(`${cut(rest.what, whatCharsMax - 60)} (${objects.length - kept.length} of ${objects.length} objects are not listed)`, whatCharsMax), objects: kept };
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The end of a log that fits, and how much is before it. */
export function boundedLog({ text, missingOctets, why }: CommandLog, octetsMax = logOctetsMax): CommandLog {
  const kept = endWithin(text, octetsMax);
  return { text: kept, missingOctets: missingOctets + utf8Octets(text.slice(0, text.length - kept.length)), why: cut(why, whyCharsMax) };
}

/** The longest end of a text that has at most so many octets as JSON. It begins with a whole character. */
function endWithin(text: string, octetsMax: number): string {
  let left = octetsMax - 2; // the quotes
  let at = text.length;
  while (at > 0) {
    const from = at - (isPair(text, at - 2) ? 2 : 1);
    left -= jsonOctets(text.slice(from, at)) - 2;
    if (left < 0) break;
    at = from;
  }
  return text.slice(at);
}

function isPair(text: string, at: number): boolean {
  return at >= 0 && (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
}

/** Objects of one outcome: as many as go into one command, and some. */
const objectsMax = 2_000;
const RESULTS: readonly string[] = ["created", "configured", "unchanged", "deleted", "failed", "completed"] satisfies ObjectResult["result"][];

/** What a site says of a command's end, its members in the order of the type, within the bound. Fault ENVELOPE_MALFORMED. */
export function parseOutcome(value: unknown): CommandOutcome & { readonly state: TerminalState } {
  const refused = (why: string): Fault => new Fault("ENVELOPE_MALFORMED", { what: "a result has no outcome that is known", why, hint: "relay and agent may be of versions too far apart: bowline site describe NAME shows the agent's" });
  if (typeof value !== "object" || value === null) throw refused("it is not an object");
  const { state, what, code, objects, log, bundle } = value as Readonly<Record<string, unknown>>;
  const known = OUTCOMES.find((one) => one === state);
  if (known === undefined) throw refused(`its state is "${shown(state, 40)}"`);
  if (typeof what !== "string") throw refused("it does not say what happened");
  if (!Array.isArray(objects) || objects.length > objectsMax) throw refused(`it does not list at most ${objectsMax} objects`);
  if (bundle !== undefined && typeof bundle !== "string") throw refused("its bundle is no text");
  const outcome = { state: known, what, code: isFaultCode(code) ? code : null, objects: objects.map(parseObject), ...(log === undefined ? {} : { log: parseLog(log) }), ...(bundle === undefined ? {} : { bundle }) };
  return { ...boundedOutcome(outcome), state: known };

  function parseLog(item: unknown): CommandLog {
    const { text, missingOctets, why } = (item ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof text !== "string" || typeof why !== "string" || typeof missingOctets !== "number" || !Number.isSafeInteger(missingOctets) || missingOctets < 0) throw refused("its log is not of the documented form");
    return { text, missingOctets, why };
  }

  function parseObject(item: unknown): ObjectResult {
    const { ref, result, why } = (item ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof ref !== "string" || typeof why !== "string" || !RESULTS.includes(result as string)) throw refused("one of its objects is not of the documented form");
    return { ref, result: result as ObjectResult["result"], why };
  }
}

/** Characters of an outcome's JSON that a list reads: they hold everything but long lists of objects, since `what` has 2,000, each at most six as JSON. */
export const outcomeHeadChars = 16_384;

/** An outcome from its JSON. When that was cut short, its objects and what is behind them are left out; null when it is not in the order that parseOutcome gives it. */
export function findOutcome(json: string): CommandOutcome | null {
  const end = json.indexOf(',"objects":['); // inside a text its quotes would be escaped
  for (const text of [json, `${json.slice(0, end)},"objects":[]}`]) {
    try {
      return JSON.parse(text) as CommandOutcome;
    } catch {
      // what was cut short is no JSON: then its head
    }
  }
  return null;
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
  return utf8Octets(JSON.stringify(value));
}

function utf8Octets(text: string): number {
  let octets = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) octets += code >= 0x800 && (code & 0xf800) !== 0xd800 ? 2 : 1; // four octets for the two halves of a pair
  }
  return octets;
}
