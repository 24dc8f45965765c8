// What CLAIM and WELCOME carry beside their proofs: the agent's hello, a join request, the relay's welcome; strict readers and their JSON.
// Lists are bounded by the letters that can be in doubt (one letter credit), so a claim always fits its frame.
import type { LetterTotals } from "../mux/letters.ts";
import { letterCreditLetters } from "../wire/limits.ts";
import { member, refused } from "./handshake-frames.ts";
import type { AgentHandshake } from "./handshake.ts";

export interface AgentHello {
  /** Random, born with the agent's database: another value means that what it held is gone. */
  readonly agentEpoch: string;
  /** Greatest relay epoch the agent has seen, and the greatest link and order it was given in it: a relay that never gave them out was put back from a copy. */
  readonly relayEpoch: number;
  readonly relayFence?: number;
  readonly relayOrder?: number;
  readonly trustVersion: number;
  readonly startCredit: number;
  readonly letterCredit: LetterTotals;
  /** Letters that left on an earlier link and have no receipt. */
  readonly inDoubt: readonly string[];
  readonly version: string;
  readonly freeOctets: number;
  /** Error bound of the site's clock (ms), or null while it does not know the time. */
  readonly clockErrorMs?: number | null;
  /** Letters that wait at the agent. */
  readonly outbox: number;
  /** Who the site is, as this relay signed it when the site was approved (base64url): a relay that has lost its record asks a person, and does not turn it away. */
  readonly statement?: string;
}

export interface JoinClaim {
  readonly token: string;
  readonly signKey: string;
  readonly boxKey: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Welcome {
  readonly state: "linked" | "waiting";
  readonly name: string;
  readonly relayEpoch: number;
  readonly startCredit: number;
  readonly letterCredit: LetterTotals;
  /** Trust documents from the version after the agent's, oldest first. */
  readonly trust: readonly Uint8Array[];
  /** There are more than fit: the agent walks these and dials again, with no letter before it has them all. */
  readonly trustMore?: boolean;
  /** The newest signed `site` statement, or null while waiting. */
  readonly siteStatement: Uint8Array | null;
  readonly inDoubt: readonly string[];
  readonly held: readonly string[];
  /** The relay was put back from a copy: before it offers anything it wants to know every command that the agent knows. */
  readonly wantsRecords?: boolean;
}

/** An epoch rises by one for each time that a relay is put back: beyond this it is nobody's honest one. */
export const relayEpochMax = 1_000_000;

/** Trust documents in one WELCOME, and their characters as base64url beside the letter ids: it must fit its frame. A site that is further behind dials again. */
export const trustStepsMax = 32;
export const trustCharsMax = 32_768;
const labelsMax = 64;
/** A signed header, two keys, a name and 64 labels as base64url. */
const statementCharsMax = 40_960;

export function agentHello(json: Record<string, unknown>): AgentHello {
  return {
    agentEpoch: member.string(json, "agentEpoch", 64),
    relayEpoch: relayEpochOf(json),
    relayFence: (json["relayFence"] ?? null) === null ? 0 : member.integer(json, "relayFence"),
    relayOrder: (json["relayOrder"] ?? null) === null ? 0 : member.integer(json, "relayOrder"),
    trustVersion: member.integer(json, "trustVersion"),
    startCredit: member.integer(json, "startCredit"),
    letterCredit: letterCredit(json),
    inDoubt: member.strings(json, "inDoubt", letterCreditLetters),
    version: member.string(json, "version", 64),
    freeOctets: member.integer(json, "freeOctets"),
    clockErrorMs: (json["clockErrorMs"] ?? null) === null ? null : member.integer(json, "clockErrorMs"),
    outbox: member.integer(json, "outbox"),
    ...((json["statement"] ?? null) === null ? {} : { statement: member.string(json, "statement", statementCharsMax) }),
  };
}

function relayEpochOf(json: Record<string, unknown>): number {
  const epoch = member.integer(json, "relayEpoch");
  if (epoch > relayEpochMax) throw refused(`"relayEpoch" is above ${relayEpochMax}`);
  return epoch;
}

function letterCredit(json: Record<string, unknown>): LetterTotals {
  const credit = member.object(json, "letterCredit");
  return { letters: member.integer(credit, "letters"), octets: member.integer(credit, "octets") };
}

export function parseJoinClaim(json: Record<string, unknown>): JoinClaim {
  const labels = member.object(json, "labels");
  if (Object.keys(labels).length > labelsMax) throw refused(`more than ${labelsMax} labels`);
  for (const [name, value] of Object.entries(labels)) {
    if (typeof value !== "string" || value.length > 63 || name.length > 317) throw refused(`the label "${name.slice(0, 64)}" is not acceptable`);
  }
  return {
    token: member.string(json, "token", 64),
    signKey: member.string(json, "signKey", 64),
    boxKey: member.string(json, "boxKey", 64),
    name: member.string(json, "name", 63),
    labels: labels as Record<string, string>,
  };
}

export function claimJson(options: AgentHandshake): Record<string, unknown> {
  const common = { boot: options.boot, dial: options.dial };
  if (options.join) {
    const { token, signKey, boxKey, name, labels } = options.join;
    return { join: { token, signKey, boxKey, name, labels }, ...common };
  }
  return { site: options.site, ...common, hello: options.hello };
}

export function welcomeJson(welcome: Welcome): Record<string, unknown> {
  return {
    ...welcome,
    trust: welcome.trust.map((bytes) => Buffer.from(bytes).toString("base64url")),
    siteStatement: welcome.siteStatement ? Buffer.from(welcome.siteStatement).toString("base64url") : "",
  };
}

export function parseWelcome(json: Record<string, unknown>): Welcome {
  const state = json["state"];
  if (state !== "linked" && state !== "waiting") throw refused(`"state" is neither linked nor waiting`);
  const statement = json["siteStatement"];
  if (typeof statement !== "string") throw refused(`"siteStatement" is not a text`);
  return {
    state,
    name: member.string(json, "name", 63),
    relayEpoch: relayEpochOf(json),
    startCredit: member.integer(json, "startCredit"),
    letterCredit: letterCredit(json),
    trust: member.strings(json, "trust", trustStepsMax, 65_536).map((text) => Buffer.from(text, "base64url")),
    trustMore: json["trustMore"] === true,
    siteStatement: statement === "" ? null : Buffer.from(statement, "base64url"),
    inDoubt: member.strings(json, "inDoubt", letterCreditLetters),
    held: member.strings(json, "held", letterCreditLetters),
    wantsRecords: json["wantsRecords"] === true,
  };
}
