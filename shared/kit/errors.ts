// The one error class. A Fault has a code from a closed union and the four parts every reader gets: what, why, what to try,
// code. The table gives each code's family, HTTP status and exit code; codes are shared by CLI, API and link. Pure.
// Refuses: free-form codes. A new kind of failure is a new row here, with its meaning, and so in the documentation.

import { printable, shown } from "./shown.ts";

/**
 * refused: someone broke a rule, repeating changes nothing · unavailable: a retry may help · bug: crash, the supervisor restarts.
 */
export type Family = "refused" | "unavailable" | "bug";

interface FaultRule {
  readonly family: Family;
  readonly http: number;
  /** Exit code of the command line (experience.md: 1 failed, 2 usage, 3 login, 4 forbidden, 5 not found, 6 conflict, 7 offline, 8 gave up waiting, 9 some sites failed). */
  readonly exit: number;
  readonly meaning: string;
}

const rule = (family: Family, http: number, exit: number, meaning: string): FaultRule => ({ family, http, exit, meaning });

export const FAULTS = {
  // --- people and tokens
  USAGE: rule("refused", 400, 2, "the command or request is not of the documented form"),
  NOT_LOGGED_IN: rule("refused", 401, 3, "no operator token was given"),
  TOKEN_UNKNOWN: rule("refused", 401, 3, "the operator token is not one of this relay's"),
  TOKEN_EXPIRED: rule("refused", 401, 3, "the operator token's time is over"),
  TOKEN_REVOKED: rule("refused", 401, 3, "the operator token was revoked"),
  FORBIDDEN: rule("refused", 403, 4, "the operator may not do this"),
  NOT_FOUND: rule("refused", 404, 5, "there is no such thing at this address"),
  SITE_UNKNOWN: rule("refused", 404, 5, "there is no such site, or it is not yours to see"),
  COMMAND_UNKNOWN: rule("refused", 404, 5, "there is no such command"),
  METHOD_REFUSED: rule("refused", 405, 2, "this address does not take that method"),
  CONFLICT: rule("refused", 409, 6, "it contradicts what is already there"),
  BODY_TOO_LARGE: rule("refused", 413, 2, "the body is over its limit"),
  QUEUE_FULL: rule("unavailable", 429, 1, "the site's queue holds as much as it may"),
  TOO_MANY: rule("unavailable", 429, 1, "too many of these at once"),
  GAVE_UP_WAITING: rule("unavailable", 504, 8, "the wait ended before the work did; the work goes on"),
  SOME_FAILED: rule("refused", 200, 9, "some sites failed"),
  INTERRUPTED: rule("refused", 499, 130, "the operator interrupted the command"),
  // --- manifests and commands
  MANIFEST_INVALID: rule("refused", 422, 2, "the manifest cannot be read"),
  MANIFEST_EMPTY: rule("refused", 422, 2, "the manifest holds no object"),
  COMMAND_INVALID: rule("refused", 422, 2, "the command's parameters are not valid"),
  COMMAND_FAILED: rule("refused", 200, 1, "the command ran at the site and failed"),
  STATE_REFUSED: rule("refused", 409, 6, "the event is not possible in this state"),
  // --- joining and identity
  JOIN_TOKEN_MALFORMED: rule("refused", 400, 2, "the join token is not whole"),
  JOIN_TOKEN_UNKNOWN: rule("refused", 401, 3, "the relay does not know this join token"),
  JOIN_TOKEN_USED: rule("refused", 409, 6, "the join token was used by another agent"),
  JOIN_TOKEN_EXPIRED: rule("refused", 401, 3, "the join token's time is over"),
  JOIN_TOKEN_HELD: rule("unavailable", 503, 1, "the join token waits for an operator's word, because the relay was put back from a copy"),
  JOIN_DENIED: rule("refused", 403, 4, "an operator refused this agent"),
  MATCH_CODE_WRONG: rule("refused", 403, 4, "the match code is not the waiting agent's"),
  RELAY_KEY_WRONG: rule("refused", 403, 4, "the relay did not prove the identity that the site trusts"),
  SITE_KEY_WRONG: rule("refused", 403, 4, "the agent did not prove the site's key"),
  SITE_REVOKED: rule("refused", 403, 4, "the site was revoked"),
  SITE_CLONED: rule("refused", 403, 4, "a second agent dials with a copy of this site's keys"),
  LINK_LATE: rule("refused", 409, 6, "a newer dial of the same agent is already linked"),
  EPOCH_DEMANDED: rule("unavailable", 503, 7, "the site does not know what it has receipted: its database was put back from a copy, and it has to make it anew"),
  LINK_REPLACED: rule("unavailable", 503, 7, "a newer link of the same site took over"),
  // --- the wire (each closes the link unless the meaning says stream)
  VERSION_UNSUPPORTED: rule("refused", 400, 1, "the two ends share no protocol version"),
  HANDSHAKE_REFUSED: rule("refused", 400, 1, "the handshake is not of the documented form"),
  FRAME_MALFORMED: rule("refused", 400, 1, "a frame is not of the documented form"),
  FRAME_TRUNCATED: rule("refused", 400, 1, "a message ended inside a frame"),
  FRAME_TOO_LARGE: rule("refused", 400, 1, "a frame or message is over its limit"),
  FRAME_UNKNOWN: rule("refused", 400, 1, "a frame type is unknown and may not be ignored"),
  FRAME_MISPLACED: rule("refused", 400, 1, "a frame came where its stream or link may not have it"),
  STREAM_UNKNOWN: rule("refused", 400, 1, "a frame names a stream that was never opened"),
  CREDIT_OVERRUN: rule("refused", 400, 1, "more bytes came than were granted; ends the stream"),
  LETTER_UNSUPPORTED: rule("refused", 400, 1, "a letter is of a kind or lane that this end does not know"),
  LETTER_OVERRUN: rule("refused", 400, 1, "more letters or letter bytes came than were granted"),
  HEAD_TOO_LARGE: rule("refused", 431, 1, "a request or response head is over its limit; ends the stream"),
  // --- envelopes and trust
  ENVELOPE_MALFORMED: rule("refused", 400, 1, "the envelope is not of the documented form"),
  ENVELOPE_SIGNATURE: rule("refused", 403, 4, "a signature does not hold, or too few distinct keys signed"),
  ENVELOPE_KEY: rule("refused", 403, 4, "a signer is not one that the trust document lists for this"),
  ENVELOPE_AUDIENCE: rule("refused", 403, 4, "the envelope is meant for another site or key epoch"),
  ENVELOPE_TIME: rule("refused", 403, 4, "the envelope is not valid at this time"),
  ENVELOPE_REPLAYED: rule("refused", 409, 6, "this envelope was taken before"),
  ENVELOPE_HASH: rule("refused", 400, 1, "the body is not the one that was signed"),
  TRUST_REFUSED: rule("refused", 403, 4, "the trust document cannot be accepted"),
  KEY_REFUSED: rule("refused", 400, 1, "a key is not acceptable"),
  // --- the proxied request
  HEAD_MALFORMED: rule("refused", 400, 1, "the message is not valid HTTP/1.1; closes its socket"),
  PATH_REFUSED: rule("refused", 400, 1, "the request path has a form that is not forwarded"),
  HEADER_REFUSED: rule("refused", 400, 1, "a header has a form that is not forwarded"),
  IMPERSONATION_REFUSED: rule("refused", 403, 4, "the client's own impersonation is not granted"),
  UPGRADE_REFUSED: rule("refused", 400, 1, "the upgrade has a form that is not forwarded"),
  POLICY_REFUSED: rule("refused", 403, 4, "the site's own policy does not allow it"),
  // --- not there right now
  SITE_OFFLINE: rule("unavailable", 503, 7, "the site has no link right now"),
  SITE_WAITING: rule("unavailable", 503, 7, "the site waits for an operator's approval"),
  LINK_LOST: rule("unavailable", 502, 7, "the link ended while the request was under way"),
  LINK_SILENT: rule("unavailable", 504, 7, "the other end went silent"),
  STREAM_STALLED: rule("unavailable", 503, 1, "the reader held its bytes too long while room was short; ends the stream"),
  DRAINING: rule("unavailable", 503, 7, "this process is shutting down"),
  CANCELLED: rule("unavailable", 499, 130, "the other side gave up"),
  RELAY_UNREACHABLE: rule("unavailable", 502, 1, "the relay cannot be reached"),
  RELAY_TLS: rule("refused", 502, 1, "the relay's certificate is not trusted"),
  PROXY_FAILED: rule("unavailable", 502, 1, "the outbound proxy did not connect"),
  API_SERVER_DOWN: rule("unavailable", 502, 1, "the cluster's API server cannot be reached"),
  API_SERVER_TLS: rule("refused", 502, 1, "the cluster's API server shows a certificate that is not trusted"),
  API_SERVER_AUTH: rule("refused", 502, 1, "the cluster's API server refuses the agent's credentials"),
  API_SERVER_BROKE: rule("unavailable", 502, 1, "the cluster's API server ended its answer early"),
  // --- places: files, ports, databases
  PORT_IN_USE: rule("unavailable", 503, 1, "the address is taken by another process"),
  FILE_MISSING: rule("refused", 500, 1, "a file that is needed is not there"),
  FILE_INVALID: rule("refused", 500, 1, "a file cannot be used as it is"),
  FILE_EXPOSED: rule("refused", 500, 1, "a secret file can be read by others"),
  NOT_INITIALISED: rule("refused", 500, 1, "this data folder was not set up yet"),
  STORE_HELD: rule("unavailable", 503, 1, "another process holds the database"),
  STORE_NEWER: rule("refused", 500, 1, "the database was written by a newer version"),
  STORE_CORRUPT: rule("refused", 500, 1, "the database is damaged or gone"),
  STORE_FAILED: rule("unavailable", 503, 1, "the database could not be written or read"),
  DISK_FULL: rule("unavailable", 507, 1, "the disk is full"),
  // --- ours
  BUG: rule("bug", 500, 1, "a bug in Bowline"),
} as const satisfies Record<string, FaultRule>;

export type FaultCode = keyof typeof FAULTS;

export interface FaultParts {
  /** One sentence: what did not work, naming the thing. */
  readonly what: string;
  /** The reason, with its age where it has one. */
  readonly why?: string;
  /** What to try: a command to copy, or a sentence; several lines allowed. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Facts for logs and JSON (never secrets). */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly why: string;
  readonly hint: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;

  constructor(code: FaultCode, parts: FaultParts) {
    super(parts.what, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = code;
    this.why = parts.why ?? FAULTS[code].meaning;
    this.hint = parts.hint ?? "";
    this.facts = parts.facts ?? {};
  }

  get family(): Family {
    return FAULTS[this.code].family;
  }

  get httpStatus(): number {
    return FAULTS[this.code].http;
  }

  get exitCode(): number {
    return FAULTS[this.code].exit;
  }
}

/** The four parts as cloneable values: for the HTTP API, RESET reasons and the worker border. */
export interface FaultRecord {
  readonly code: FaultCode;
  readonly what: string;
  readonly why: string;
  readonly hint: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

export function faultRecord(fault: Fault): FaultRecord {
  return { code: fault.code, what: fault.message, why: fault.why, hint: fault.hint, facts: fault.facts };
}

export function faultFromRecord(record: FaultRecord): Fault {
  return new Fault(record.code, { what: record.what, why: record.why, hint: record.hint, facts: record.facts });
}

export function isFaultCode(value: unknown): value is FaultCode {
  return typeof value === "string" && Object.hasOwn(FAULTS, value);
}

/** Any thrown value as a Fault: one passes as it is, anything else is a BUG with its cause kept. */
export function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault("BUG", { what: "something unforeseen went wrong", why: shown(thrown, 1_000), cause: thrown });
}

/** The four parts as a person reads them: `error: what`, then why, try and code, continuation lines under their column. What a site said can be in each of them. */
export function faultText(fault: Fault): string {
  const lines = [`error: ${printable(fault.message)}`];
  const part = (label: string, text: string): void => {
    for (const [index, line] of text.split("\n").entries()) lines.push(`  ${(index === 0 ? label : "").padEnd(6)} ${printable(line)}`);
  };
  if (fault.why !== "") part("why", fault.why);
  if (fault.hint !== "") part("try", fault.hint);
  part("code", `${fault.code} (exit ${fault.exitCode})`);
  return lines.join("\n");
}
