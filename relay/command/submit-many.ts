// One order for many sites. Their list is resolved once and, under an Idempotency-Key, written down before the first of them takes its part: whatever ends the relay
// in between, the same call again is for the same sites under the same ids and completes what is missing. Each site answers for itself. delivery.md section 2.
import type { CommandsRequest } from "../../shared/api.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { asFault, Fault, type FaultCode } from "../../shared/kit/errors.ts";
import { requireText } from "../../shared/rules/command-spec.ts";
import type { Addressee } from "../store/addressees.ts";
import type { KeyedSite } from "../store/command-keys.ts";
import type { CommandRow, NewCommand } from "../store/commands.ts";
import { unknownSite } from "../store/sites.ts";
import { requestHash } from "./request-hash.ts";
import { commandId, offline, orderOf, type Asked, type SubmitOptions } from "./submit.ts";

/** The product's size: every site that one installation has. */
const sitesMax = 10_000;
/** Octets of one call's bodies: each site has its own copy in the database until its command has ended. */
const callOctetsMax = 256 * 1_048_576;
/**
 * Parts that are with the store at once, and their octets: they share a commit, and what others ask meanwhile comes after some milliseconds of them and not after
 * ten thousand. The store's thread takes 64 MiB of waiting calls from everybody.
 */
const partsAtOnce = 16;
const octetsAtOnce = 8 * 1_048_576;
/** The relay's own trouble, which the next site meets as well: the rest is not tried. */
const NOT_OF_ONE_SITE: ReadonlySet<FaultCode> = new Set(["STORE_FAILED", "DISK_FULL", "TOO_MANY", "STORE_CORRUPT", "BUG"]);

export type SiteAnswer = { readonly site: string; readonly row: CommandRow } | { readonly site: string; readonly fault: Fault };

export async function submitMany(options: SubmitOptions, asked: Asked<CommandsRequest>): Promise<SiteAnswer[]> {
  const { store, clock } = options;
  const { operator, idempotencyKey: key } = asked;
  const nowMs = clock.wallMs();
  const order = orderOf(options, asked, nowMs);
  const addressee = addresseeOf(asked.request);
  const keyOf = { caller: operator.name, key: key ?? "", requestHash: requestHash(asked.request) };
  let record = key === null ? null : await store.call("findKey", keyOf);
  if (record === null) {
    const sites = (await store.call("addressedSites", { addressee, limit: sitesMax })).map((one): KeyedSite => ({ ...one, command: one.site === null ? null : commandId(asked, one.site, nowMs) }));
    requireWithin(sites.length, order.body.length);
    crashPoint("parsed-before-commit");
    record = key === null ? { sites, deadlineMs: order.deadlineMs, madeMs: nowMs } : await store.call("putKey", { ...keyOf, sites, deadlineMs: order.deadlineMs, nowMs });
  }
  const common = { ...order, deadlineMs: record.deadlineMs, idempotencyKey: null, requestHash: keyOf.requestHash };
  const answers = await giveToEach(options, record.sites, { common, isLive: asked.request.live === true });
  crashPoint("commit-before-answer");
  return answers;
}

/** Exactly one way of naming sites. Fault USAGE. */
function addresseeOf({ sites, selector, all }: CommandsRequest): Addressee {
  const given = [sites, selector, all].filter((one) => one !== undefined && one !== false).length;
  if (given !== 1) throw new Fault("USAGE", { what: given === 0 ? "the order names no site" : "the order names its sites in several ways", why: 'it takes one of "site", "sites", "selector" and "all"', hint: "--site NAME,..., -l SELECTOR or --all" });
  if (selector !== undefined) return { selector: requireText(selector, "selector", 1_048_576) };
  if (sites === undefined) return "all";
  if (!Array.isArray(sites) || sites.length === 0) throw new Fault("USAGE", { what: '"sites" is not a list of names', why: "it has one name or more", hint: "--site NAME,NAME" });
  requireWithin(sites.length, 0);
  return { names: [...new Set(sites.map((name, index) => requireText(name, `sites[${index}]`, 63)))] };
}

function requireWithin(count: number, octets: number): void {
  if (count > sitesMax) throw new Fault("BODY_TOO_LARGE", { what: "the order is for too many sites", why: `one call is for ${sitesMax} sites at most; nothing was accepted`, hint: "give it in several calls, each with a narrower selector" });
  if (count * octets > callOctetsMax) {
    const most = Math.floor(callOctetsMax / octets);
    throw new Fault("BODY_TOO_LARGE", { what: "the order is too large for so many sites", why: `${count} sites with ${octets} octets each are over the ${callOctetsMax / 1_048_576} MiB that one call may store; nothing was accepted`, hint: `give it to ${most} sites at a time, or make the manifest smaller` });
  }
}

interface Part {
  readonly common: Omit<NewCommand, "id" | "siteName">;
  readonly isLive: boolean;
}

async function giveToEach(options: SubmitOptions, sites: readonly KeyedSite[], part: Part): Promise<SiteAnswer[]> {
  const answers: SiteAnswer[] = [];
  const atOnce = Math.max(1, Math.min(partsAtOnce, Math.floor(octetsAtOnce / part.common.body.length)));
  let trouble: Fault | null = null;
  for (let from = 0; from < sites.length; from += atOnce) {
    const known: Fault | null = trouble;
    const group: SiteAnswer[] = await Promise.all(sites.slice(from, from + atOnce).map(async (site): Promise<SiteAnswer> => (known === null ? giveTo(options, site, part) : { site: site.name, fault: known })));
    answers.push(...group);
    trouble ??= group.flatMap((answer) => ("fault" in answer ? [answer.fault] : [])).find(({ code }) => NOT_OF_ONE_SITE.has(code)) ?? null;
  }
  // When none took it, the answer is what is wrong with the relay: nobody has to look into a list for it.
  if (trouble !== null && answers.every((answer) => "fault" in answer)) throw trouble;
  return answers;
}

async function giveTo({ store, isLinked }: SubmitOptions, { site, name, command }: KeyedSite, { common, isLive }: Part): Promise<SiteAnswer> {
  try {
    if (site === null || command === null) throw unknownSite(name);
    // What was accepted while the site was linked is answered, whatever its link is by now.
    if (isLive && !isLinked(site)) return { site: name, row: await store.call("commandRow", { id: command }).catch(() => Promise.reject(offline(name))) };
    return { site: name, row: await store.call("submitOnce", { site, command: { ...common, id: command, siteName: name } }) };
  } catch (error) {
    return { site: name, fault: asFault(error) };
  }
}
