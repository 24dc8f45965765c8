// A letter's octets: `headLength u32be | head JSON | envelope`. The head says how to queue it, the envelope is what is signed. Strict: one way to
// write each. Both directions. PROTOCOL.md section 5.
import { Fault } from "../kit/errors.ts";
import { isLaneName, type LaneName } from "../rules/lanes.ts";

export const LETTER_KINDS = ["command", "claim", "result", "report", "event"] as const;
export type LetterKind = (typeof LETTER_KINDS)[number];

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
  if (typeof head !== "object" || head === null || !isId(head.id) || !isLaneName(head.lane)) throw refuse("its head has no id or lane");
  if (!LETTER_KINDS.includes(head.kind)) throw refuse("its kind is unknown");
  if (head.after !== undefined && !isId(head.after)) throw refuse("its predecessor is not an id");
  if (head.replaceKey !== undefined && !isId(head.replaceKey)) throw refuse("what it replaces is not named by an id");
  if (head.order !== undefined && (!Number.isSafeInteger(head.order) || head.order < 0)) throw refuse("its order is not a whole number");
  return { head, envelope: bytes.subarray(4 + length) };
}
