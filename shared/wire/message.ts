// Payloads of the frames that the mux speaks: heads of requests and responses, and the link's own fields. Encode and decode beside each other;
// decoding is strict and throws Faults of the wire. Pure. PROTOCOL.md sections 1, 4 and 5.
import { Fault } from "../kit/errors.ts";
import { ByteReader, ByteWriter, malformed } from "./bytes.ts";
import { copyOf } from "./keepable.ts";
import { codeName, codeNumber, type CodeName } from "./codes.ts";
import { headPairsMax, reasonBytesMax, streamsPerLinkMax } from "./limits.ts";
import { findName, nameIndex } from "./names.ts";

export interface RequestHead {
  /** `ends`: the request has no body, so the relay's direction is complete with OPEN. */
  readonly flags: { readonly interactive: boolean; readonly upgrade: boolean; readonly ends: boolean };
  readonly method: string;
  /** Origin form, octet for octet as the client sent it behind the site's prefix. */
  readonly target: string;
  readonly operator: string;
  readonly tier: string;
  readonly requestId: string;
  readonly source: string;
  /** name, value, name, value; names in lower case. */
  readonly headers: readonly string[];
  /** `encodePairs(headers)`, where that was made before. */
  readonly encodedHeaders?: Uint8Array;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: readonly string[];
}

export interface Bye {
  readonly code: CodeName;
  readonly greatestId: number;
  readonly retryAfterMs: number;
  readonly reason: string;
  readonly otherRelay: string;
}

const writer = new ByteWriter();
const INTERACTIVE = 1;
const UPGRADE = 2;
const ENDS = 4;
const FIELDS = [":method", ":target", ":operator", ":tier", ":request-id", ":source"] as const;

export function encodeOpen(head: RequestHead, allocate?: (octets: number) => Uint8Array): Uint8Array {
  const { interactive, upgrade, ends } = head.flags;
  writer.reset().varint((interactive ? INTERACTIVE : 0) | (upgrade ? UPGRADE : 0) | (ends ? ENDS : 0));
  const values = [head.method, head.target, head.operator, head.tier, head.requestId, head.source];
  for (let index = 0; index < FIELDS.length; index += 1) writer.varint(index + 1).latin1(values[index]!);
  if (head.encodedHeaders !== undefined) writer.raw(head.encodedHeaders);
  else writePairs(head.headers);
  return writer.done(allocate);
}

/** Header pairs as OPEN and HEAD carry them, for a head that is sent again and again. */
export function encodePairs(headers: readonly string[]): Uint8Array {
  writer.reset();
  writePairs(headers);
  return writer.done();
}

/** `memo`: blocks of pairs that came before on this link; equal octets give the same list. */
export function parseOpen(payload: Uint8Array, memo?: PairsMemo): RequestHead {
  const reader = new ByteReader(payload);
  const flags = reader.varint();
  if (flags > (INTERACTIVE | UPGRADE | ENDS)) throw malformed("OPEN carries unknown flags");
  const values: string[] = [];
  for (let index = 0; index < FIELDS.length; index += 1) {
    if (reader.varint() !== index + 1) throw malformed(`OPEN must have ${FIELDS[index]!} as its pair number ${index + 1}`);
    values.push(readValue(reader));
  }
  const [method, target, operator, tier, requestId, source] = values as [string, string, string, string, string, string];
  return { flags: { interactive: (flags & INTERACTIVE) !== 0, upgrade: (flags & UPGRADE) !== 0, ends: (flags & ENDS) !== 0 }, method, target, operator, tier, requestId, source, headers: memo === undefined ? readPairs(reader) : memo.read(reader) };
}

/** Header blocks kept, the least lately kept goes first: one for each kind of client that is busy on a link. */
const memoEntriesMax = 8;
/** Octets of a block that is worth keeping. */
const memoBytesMax = 4_096;

/** Remembers decoded header blocks: clients repeat theirs to the octet, and comparing octets is far cheaper than judging them anew. */
export class PairsMemo {
  readonly #entries: { readonly octets: Uint8Array; readonly headers: readonly string[] }[] = [];
  #oldest = 0;

  read(reader: ByteReader): readonly string[] {
    const start = reader.at;
    const { bytes, end } = reader;
    const found = this.#entries.find(({ octets }) => isEqual(octets, bytes, start, end));
    if (found !== undefined) {
      reader.at = end;
      return found.headers;
    }
    const headers = readPairs(reader);
    if (end - start > memoBytesMax) return headers;
    this.#entries[this.#oldest] = { octets: copyOf(bytes.subarray(start, end)), headers };
    this.#oldest = (this.#oldest + 1) % memoEntriesMax;
    return headers;
  }
}

function isEqual(octets: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (octets.length !== end - start) return false;
  for (let index = 0; index < octets.length; index += 1) if (octets[index] !== bytes[start + index]) return false;
  return true;
}

export function encodeHead(head: ResponseHead, allocate?: (octets: number) => Uint8Array): Uint8Array {
  writer.reset().varint(head.status);
  writePairs(head.headers);
  return writer.done(allocate);
}

export function parseHead(payload: Uint8Array): ResponseHead {
  const reader = new ByteReader(payload);
  const status = reader.varint();
  if (status !== 101 && (status < 200 || status > 599)) throw malformed(`HEAD has the status ${status}`);
  return { status, headers: readPairs(reader) };
}

function writePairs(headers: readonly string[]): void {
  if (headers.length > 2 * headPairsMax) throw new Fault("HEAD_TOO_LARGE", { what: `a head has ${headers.length / 2} headers`, why: `at most ${headPairsMax} go over the link` });
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]!;
    const known = nameIndex(name);
    writer.varint(known);
    if (known === 0) writer.latin1(name);
    writer.latin1(headers[index + 1]!);
  }
}

function readPairs(reader: ByteReader): string[] {
  const headers: string[] = [];
  while (reader.left > 0) {
    if (headers.length >= 2 * headPairsMax) throw new Fault("HEAD_TOO_LARGE", { what: "a head has too many headers", why: `at most ${headPairsMax} come over the link` });
    headers.push(readName(reader), readValue(reader));
  }
  return headers;
}

/** RFC 9110 token, lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const REFUSED_IN_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]/;

function readName(reader: ByteReader): string {
  const index = reader.varint();
  if (index > 0) {
    const known = findName(index);
    if (known === null) throw malformed(`a header name has the unknown number ${index}`);
    if (known.startsWith(":")) throw malformed(`${known} is not in its place`);
    return known;
  }
  const name = reader.latin1();
  if (!NAME.test(name)) throw malformed("a header name is not a token in lower case");
  return name;
}

function readValue(reader: ByteReader): string {
  const value = reader.latin1();
  if (REFUSED_IN_VALUE.test(value)) throw malformed("a header value holds a control character");
  return value;
}

export function encodeBye(bye: Bye): Uint8Array {
  return writer.reset().varint(codeNumber(bye.code)).varint(bye.greatestId).varint(bye.retryAfterMs).utf8(bye.reason, reasonBytesMax).utf8(bye.otherRelay, reasonBytesMax).done();
}

export function parseBye(payload: Uint8Array): Bye {
  const reader = new ByteReader(payload);
  const bye = { code: codeName(reader.varint()), greatestId: reader.varint(), retryAfterMs: reader.varint(), reason: reader.utf8(reasonBytesMax), otherRelay: reader.utf8(reasonBytesMax) };
  reader.finish();
  return bye;
}

export function encodeReset(code: CodeName, reason: string): Uint8Array {
  return writer.reset().varint(codeNumber(code)).utf8(reason, reasonBytesMax).done();
}

export function parseReset(payload: Uint8Array): { code: CodeName; reason: string } {
  const reader = new ByteReader(payload);
  const reset = { code: codeName(reader.varint()), reason: reader.utf8(reasonBytesMax) };
  reader.finish();
  return reset;
}

/** Payloads that are a fixed count of varints: STOP, CREDIT, ACK, PING (1), PONG, LETTERCREDIT (2). */
export function encodeNumbers(...values: readonly number[]): Uint8Array {
  writer.reset();
  for (const value of values) writer.varint(value);
  return writer.done();
}

export function parseNumbers(payload: Uint8Array, count: number): number[] {
  const reader = new ByteReader(payload);
  const values: number[] = [];
  for (let index = 0; index < count; index += 1) values.push(reader.varint());
  reader.finish();
  return values;
}

export interface LetterChunk {
  readonly number: number;
  readonly offset: number;
  readonly total: number;
  readonly chunk: Uint8Array;
}

/** The fields in front of a LETTER's octets. */
export function encodeLetterHead(number: number, offset: number, total: number): Uint8Array {
  return encodeNumbers(number, offset, total);
}

export function parseLetter(payload: Uint8Array): LetterChunk {
  const reader = new ByteReader(payload);
  const letter = { number: reader.varint(), offset: reader.varint(), total: reader.varint(), chunk: reader.rest() };
  if (letter.offset + letter.chunk.length > letter.total || (letter.chunk.length === 0 && letter.total > 0)) throw malformed("a LETTER chunk lies outside its letter");
  return letter;
}

/** Status of a letter in a RECEIPT. */
export const LETTER_STATUS = { committed: 0, storage: 1, trust: 2, unsupported: 3, policy: 4, malformed: 5 } as const;
export type LetterStatus = keyof typeof LETTER_STATUS;
const STATUS_NAMES = Object.keys(LETTER_STATUS) as LetterStatus[];

export interface Receipt {
  readonly cumulative: number;
  readonly singles: readonly { readonly number: number; readonly status: LetterStatus }[];
}

export function encodeReceipt(receipt: Receipt): Uint8Array {
  writer.reset().varint(receipt.cumulative).varint(receipt.singles.length);
  for (const { number, status } of receipt.singles) writer.varint(number).varint(LETTER_STATUS[status]);
  return writer.done();
}

/** `singlesMax`: letters in flight, so a receipt can never name more. */
export function parseReceipt(payload: Uint8Array, singlesMax: number): Receipt {
  const reader = new ByteReader(payload);
  const cumulative = reader.varint();
  const count = reader.varint();
  if (count > singlesMax) throw malformed(`a RECEIPT names ${count} letters, ${singlesMax} are under way`);
  const singles: { number: number; status: LetterStatus }[] = [];
  for (let index = 0; index < count; index += 1) {
    const number = reader.varint();
    // A status of a newer peer: refused, for a reason that this end does not know. No reason to end the link.
    singles.push({ number, status: STATUS_NAMES[reader.varint()] ?? "policy" });
  }
  reader.finish();
  return { cumulative, singles };
}

export interface Live {
  readonly greatestId: number;
  readonly openIds: readonly number[];
}

export function encodeLive(live: Live): Uint8Array {
  writer.reset().varint(live.greatestId).varint(live.openIds.length);
  let before = 0;
  for (const id of live.openIds) {
    writer.varint(id - before);
    before = id;
  }
  return writer.done();
}

export function parseLive(payload: Uint8Array): Live {
  const reader = new ByteReader(payload);
  const greatestId = reader.varint();
  const count = reader.varint();
  if (count > streamsPerLinkMax) throw malformed(`LIVE names ${count} streams`);
  const openIds: number[] = [];
  let id = 0;
  for (let index = 0; index < count; index += 1) {
    const step = reader.varint();
    if (step === 0) throw malformed("LIVE names a stream twice");
    id += step;
    if (id > greatestId) throw malformed("LIVE names a stream above its greatest");
    openIds.push(id);
  }
  reader.finish();
  return { greatestId, openIds };
}
