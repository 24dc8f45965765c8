// Takes letters from sites: the site's signature is checked before anything is read, then claims, results, reports and events are committed, once each, and
// only then receipted. A letter that is not the site's own, or whose content is not of the documented form and within bounds, is refused and counted; it never ends
// the link by itself.
import type { Clock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { keyId } from "../../shared/kit/keys.ts";
import type { Logger } from "../../shared/kit/log.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { shown } from "../../shared/kit/shown.ts";
import type { SettleStatus } from "../../shared/outbox/courier.ts";
import type { Letter } from "../../shared/outbox/letter.ts";
import { parseOutcome } from "../../shared/rules/outcome.ts";
import { parseRecords } from "../../shared/rules/records.ts";
import { parseSiteReport } from "../../shared/rules/site-report.ts";
import { isSiteTime } from "../../shared/rules/site-time.ts";
import { envelopeHeaderBytesMax, openEnvelope } from "../../shared/trust/envelope.ts";
import type { SiteLetter } from "../store/delivery.ts";
import type { RelayStore } from "../store/store.ts";

export interface IntakeOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface LetterSite {
  readonly id: string;
  readonly signKey: string;
  readonly fence: number;
}

/** Octets of a report before it is read by its shape: beyond this it is nobody's honest one. */
const reportBytesMax = 1_048_576;

export async function takeLetter(options: IntakeOptions, site: LetterSite, letter: Letter): Promise<SettleStatus> {
  let opened: SiteLetter;
  try {
    opened = open(site, letter);
  } catch (error) {
    const fault = asFault(error);
    options.log.warn({ site: site.id, letter: letter.head.id, code: fault.code, why: fault.why }, "a letter of a site was refused");
    return "malformed";
  }
  try {
    const isTaken = await options.store.call("takeSiteLetter", { site: site.id, id: letter.head.id, fence: site.fence, letter: opened, nowMs: options.clock.wallMs() });
    if (!isTaken) return "storage"; // an older link's: the newest one brings it again
    if (opened.kind === "result") crashPoint("result-before-receipt");
    return "committed";
  } catch (error) {
    const fault = asFault(error);
    // Whatever is wrong is wrong here: the site's letter is true and stays at the site until it can be taken.
    options.log.error({ site: site.id, letter: letter.head.id, code: fault.code, why: fault.why }, "a letter of a site could not be stored");
    return "storage";
  }
}

function open(site: LetterSite, letter: Letter): SiteLetter {
  const kid = Buffer.from(keyId(site.signKey)).toString("hex");
  const { header, body } = openEnvelope(letter.envelope, {
    keysById: (asked) => (asked === kid ? site.signKey : null),
    rule: () => ({ keys: [site.signKey], threshold: 1 }),
    audience: null,
    time: null,
    isSeen: () => false, // letters are taken once by their id, in the transaction
  });
  if (header.aud !== site.id) throw new Fault("ENVELOPE_AUDIENCE", { what: "a letter names another site as its sender" });
  if (header.cid !== letter.head.id) throw new Fault("ENVELOPE_MALFORMED", { what: "a letter's head and envelope name different letters" });
  const value = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
  if (value["kind"] !== letter.head.kind) throw new Fault("ENVELOPE_MALFORMED", { what: "a letter's head and body are of different kinds" });
  const wanted = value["kind"] === "report" || value["kind"] === "event" ? "report" : "result";
  if (header.typ !== wanted) throw new Fault("ENVELOPE_MALFORMED", { what: `a ${header.typ} carries a ${shown(value["kind"])}` });
  return parseBody(value, body.length, letter.head.order ?? 0);
}

function parseBody(value: Record<string, unknown>, octets: number, ord: number): SiteLetter {
  const text = (name: string): string => {
    const found = value[name];
    if (typeof found !== "string" || found === "") throw new Fault("ENVELOPE_MALFORMED", { what: `a letter's "${name}" is not a text` });
    return found.slice(0, 4_096);
  };
  const time = (name: string): number => {
    const found = value[name];
    if (!isSiteTime(found)) throw new Fault("ENVELOPE_MALFORMED", { what: `a letter's "${name}" is not a time` });
    return found;
  };
  switch (value["kind"]) {
    case "claim":
      return { kind: "claim", command: text("command"), startedMs: time("startedMs") };
    case "result": {
      const header = typeof value["header"] === "string" ? value["header"].slice(0, envelopeHeaderBytesMax) : "";
      return { kind: "result", command: text("command"), header, startedMs: value["startedMs"] === null ? null : time("startedMs"), endedMs: time("endedMs"), outcome: parseOutcome(value["outcome"]) };
    }
    case "records":
      if (!Number.isSafeInteger(value["relayEpoch"]) || typeof value["isLast"] !== "boolean") throw new Fault("ENVELOPE_MALFORMED", { what: "a site's records do not say which question they answer" });
      return { kind: "records", relayEpoch: value["relayEpoch"] as number, isLast: value["isLast"], commands: parseRecords(value["commands"]) };
    case "report":
      if (octets > reportBytesMax) throw new Fault("BODY_TOO_LARGE", { what: `a report has ${octets} octets` });
      return { kind: "report", ord, madeMs: time("madeMs"), body: JSON.stringify(parseSiteReport(value["report"])) };
    case "event":
      return { kind: "event", atMs: time("atMs"), event: text("event"), what: text("what") };
    default:
      throw new Fault("ENVELOPE_MALFORMED", { what: `a letter of kind "${shown(value["kind"], 40)}" is not for a relay` });
  }
}
