// A letter's octets: `headLength u32be | head JSON | envelope`. The head says how to queue it, the envelope is what is signed. Strict about what it knows; a kind
// or lane of a newer peer is no broken letter, and is told apart. Both directions. PROTOCOL.md section 5.
import { Fault } from "../kit/errors.ts";
import { isLaneName, type LaneName } from "../rules/lanes.ts";

export const LETTER_KINDS = ["command", "cancel", "claim", "result", "records", "report", "event"] as const;
export type LetterKind = (typeof LETTER_KINDS)[number];

/** A cancel is a letter about a command, with an id of its own: the command's with this in front. */
const CANCEL = "cancel-";

export function cancelLetterId(command: string): string {
  return `${CANCEL}${command}`;
}

/** The command that a cancel's letter is about, or null for the id of any other letter. */
export function cancelledCommand(letter: string): string | null {
  return letter.startsWith(CANCEL) ? letter.slice(CANCEL.length) : null;
}

export interface LetterHead {
  readonly id: string;
  readonly lane: LaneName;
  readonly kind: LetterKind;
  /** Plane Latest: a newer letter of this key replaces one that has not left. */
  readonly replaceKey?: string;
  /** FIFO number of the relay, or of the agent's own history. */
  readonly order?: number;
  /** Letter that must be settled at the receiver first. */
  readonly after?: string;
}

export interface Letter {
  readonly head: LetterHead;
  readonly envelope: Uint8Array;
}

const headBytesMax = 1_024;

export function encodeLetter(head: LetterHead, envelope: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, envelope]);
}

/** Faults ENVELOPE_MALFORMED; LETTER_UNSUPPORTED for a kind or lane that is unknown here. */
export function parseLetterOctets(octets: Uint8Array): Letter {
  const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const refuse = (why: string): Fault => new Fault("ENVELOPE_MALFORMED", { what: "a letter is not of the documented form", why });
  if (bytes.length < 4) throw refuse("it is shorter than its length field");
  const length = bytes.readUInt32BE(0);
  if (length > headBytesMax || length > bytes.length - 4) throw refuse("its head is over its limit, or cut short");
  let head: LetterHead;
  try {
    head = JSON.parse(bytes.toString("utf8", 4, 4 + length)) as LetterHead;
  } catch {
    throw refuse("its head is not JSON");
  }
  const isId = (value: unknown): boolean => typeof value === "string" && /^[\w.:-]{1,80}$/.test(value);
  if (typeof head !== "object" || head === null || !isId(head.id) || typeof head.lane !== "string" || typeof head.kind !== "string") throw refuse("its head has no id, lane or kind");
  if (head.after !== undefined && !isId(head.after)) throw refuse("its predecessor is not an id");
  if (head.replaceKey !== undefined && !isId(head.replaceKey)) throw refuse("what it replaces is not named by an id");
  if (head.order !== undefined && (!Number.isSafeInteger(head.order) || head.order < 0)) throw refuse("its order is not a whole number");
  if (!LETTER_KINDS.includes(head.kind) || !isLaneName(head.lane)) {
    throw new Fault("LETTER_UNSUPPORTED", { what: `the letter ${head.id} is of a kind or lane that is unknown here`, why: `kind ${String(head.kind).slice(0, 40)}, lane ${String(head.lane).slice(0, 40)}`, hint: "update this end" });
  }
  return { head, envelope: bytes.subarray(4 + length) };
}
