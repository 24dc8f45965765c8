// Letters inside the mux, both directions: lanes that wait to leave, numbers that the link gives, receipts that settle them, and the credit
// of letters and octets. A letter's octets live here only while it leaves; what arrives is handed on chunk by chunk. Pure. PROTOCOL.md section 5.
import { invariant } from "../kit/assert.ts";
import { Fault } from "../kit/errors.ts";
import { LANES, laneWeights, type LaneName } from "../rules/lanes.ts";
import { malformed } from "../wire/bytes.ts";
import { letterBytesMax } from "../wire/limits.ts";
import type { LetterChunk, LetterStatus, Receipt } from "../wire/message.ts";
import type { Member } from "./scheduler.ts";

export interface LetterTotals {
  readonly letters: number;
  readonly octets: number;
}

export interface OfferedLetter {
  readonly handle: string;
  readonly lane: LaneName;
  readonly bytes: Uint8Array;
}

interface Leaving extends OfferedLetter {
  number: number;
  offset: number;
}

/** Octets one lane sends per turn for each point of its weight: 16 KiB at the greatest. */
const octetsPerWeight = 2_048;

export class LetterLane implements Member {
  next: Member | null = null;
  isQueued = false;
  readonly name: LaneName;
  readonly quantum: number;
  readonly waiting: Leaving[] = [];

  constructor(name: LaneName) {
    this.name = name;
    this.quantum = laneWeights[name] * octetsPerWeight;
  }
}

export class LettersOut {
  readonly lanes: Readonly<Record<LaneName, LetterLane>>;
  #credit: LetterTotals;
  #offered = { letters: 0, octets: 0 };
  #lastNumber = 0;
  readonly #underWay = new Map<number, string>();
  /** Letters whose last octet has left and is not acknowledged, with the link's count of octets after it. */
  readonly #unacked: { handle: string; atOctets: number }[] = [];

  constructor(credit: LetterTotals) {
    this.#credit = credit;
    this.lanes = Object.fromEntries(LANES.map((name) => [name, new LetterLane(name)])) as Record<LaneName, LetterLane>;
  }

  get room(): LetterTotals {
    return { letters: this.#credit.letters - this.#offered.letters, octets: this.#credit.octets - this.#offered.octets };
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** A letter has left in part. */
  get isMidway(): boolean {
    return Object.values(this.lanes).some(({ waiting }) => waiting[0] !== undefined && waiting[0].offset > 0);
  }

  offer(letter: OfferedLetter): LetterLane {
    const room = this.room;
    invariant(room.letters >= 1 && room.octets >= letter.bytes.length, "a letter is offered only within the peer's credit");
    this.#offered.letters += 1;
    this.#offered.octets += letter.bytes.length;
    const lane = this.lanes[letter.lane];
    lane.waiting.push({ ...letter, number: 0, offset: 0 });
    return lane;
  }

  /** The next chunk of a lane, at most `octets`, on a link that has sent `sentOctets`; null when the lane is empty. The number is drawn as the
   * first chunk leaves. */
  shift(lane: LetterLane, octets: number, sentOctets: number): LetterChunk | null {
    const letter = lane.waiting[0];
    if (letter === undefined) return null;
    if (letter.number === 0) {
      this.#lastNumber += 1;
      letter.number = this.#lastNumber;
      this.#underWay.set(letter.number, letter.handle);
    }
    const offset = letter.offset;
    const chunk = letter.bytes.subarray(offset, offset + octets);
    letter.offset += chunk.length;
    if (letter.offset === letter.bytes.length) {
      lane.waiting.shift();
      this.#unacked.push({ handle: letter.handle, atOctets: sentOctets + chunk.length });
    }
    return { number: letter.number, offset, total: letter.bytes.length, chunk };
  }

  /** True when there is more room than before. */
  raise(credit: LetterTotals): boolean {
    const grew = credit.letters > this.#credit.letters || credit.octets > this.#credit.octets;
    this.#credit = { letters: Math.max(credit.letters, this.#credit.letters), octets: Math.max(credit.octets, this.#credit.octets) };
    return grew;
  }

  /** The peer has `totalOctets` of the link: the handles of the letters whose last octet is now among them. */
  acked(totalOctets: number): string[] {
    const after = this.#unacked.findIndex(({ atOctets }) => atOctets > totalOctets);
    return this.#unacked.splice(0, after === -1 ? this.#unacked.length : after).map(({ handle }) => handle);
  }

  /** Applies a receipt; returns what it settled. FRAME_MALFORMED for a letter that never left. */
  settle(receipt: Receipt): { handle: string; status: LetterStatus }[] {
    const settled: { handle: string; status: LetterStatus }[] = [];
    const settleOne = (number: number, status: LetterStatus): void => {
      const handle = this.#underWay.get(number);
      if (handle === undefined) return; // settled before: a receipt may say it again
      this.#underWay.delete(number);
      settled.push({ handle, status });
    };
    for (const { number, status } of receipt.singles) {
      if (number > this.#lastNumber || number === 0) throw malformed(`a RECEIPT names letter ${number}, ${this.#lastNumber} have left`);
      settleOne(number, status);
    }
    if (receipt.cumulative > this.#lastNumber) throw malformed(`a RECEIPT covers letters up to ${receipt.cumulative}, ${this.#lastNumber} have left`);
    // Numbers rise in insertion order, so the walk ends at the first one above.
    for (const number of this.#underWay.keys()) {
      if (number > receipt.cumulative) break;
      settleOne(number, "committed");
    }
    return settled;
  }

  /** After BYE nothing more leaves: what has left in part gets no receipt either. */
  drop(): void {
    for (const lane of Object.values(this.lanes)) {
      for (const letter of lane.waiting.splice(0)) this.#underWay.delete(letter.number);
    }
  }
}

export class LettersIn {
  #granted: LetterTotals;
  #came = { letters: 0, octets: 0 };
  readonly #partial = new Map<number, { total: number; offset: number }>();
  readonly #unsettled = new Set<number>();
  #cumulative = 0;
  readonly #committedAhead = new Set<number>();
  #singles: { number: number; status: LetterStatus }[] = [];
  isReceiptDue = false;
  isGrantDue = false;

  constructor(granted: LetterTotals) {
    this.#granted = granted;
  }

  get granted(): LetterTotals {
    return this.#granted;
  }

  /** Letters that are here, whole or in part, and not settled. */
  get unsettled(): number {
    return this.#unsettled.size;
  }

  receive(letter: LetterChunk): void {
    const partial = this.#partial.get(letter.number);
    if (partial === undefined) this.#begin(letter);
    else if (partial.total !== letter.total || partial.offset !== letter.offset) throw malformed(`a chunk of letter ${letter.number} is not the next one`);
    const offset = letter.offset + letter.chunk.length;
    if (offset === letter.total) this.#partial.delete(letter.number);
    else this.#partial.set(letter.number, { total: letter.total, offset });
  }

  #begin(letter: LetterChunk): void {
    if (letter.number !== this.#came.letters + 1 || letter.offset !== 0) throw malformed(`letter ${letter.number} came, ${this.#came.letters + 1} is the next`);
    if (letter.total > letterBytesMax || letter.total === 0) throw malformed(`a letter of ${letter.total} octets came, 1 to ${letterBytesMax} are allowed`);
    this.#came.letters += 1;
    this.#came.octets += letter.total;
    if (this.#came.letters > this.#granted.letters || this.#came.octets > this.#granted.octets) {
      throw new Fault("LETTER_OVERRUN", { what: `letter ${letter.number} is more than was granted`, why: `${this.#granted.letters} letters and ${this.#granted.octets} octets were` });
    }
    this.#unsettled.add(letter.number);
  }

  settle(number: number, status: LetterStatus): void {
    invariant(this.#unsettled.delete(number), "a letter is settled once, after it came");
    this.isReceiptDue = true;
    if (status !== "committed") this.#singles.push({ number, status });
    this.#committedAhead.add(number);
    while (this.#committedAhead.delete(this.#cumulative + 1)) this.#cumulative += 1;
    if (status === "committed" && number > this.#cumulative) this.#singles.push({ number, status });
  }

  grant(total: LetterTotals): void {
    this.#granted = { letters: Math.max(total.letters, this.#granted.letters), octets: Math.max(total.octets, this.#granted.octets) };
    this.isGrantDue = true;
  }

  /** The receipt that is due; what it names need not be named again. */
  takeReceipt(): Receipt {
    const receipt = { cumulative: this.#cumulative, singles: this.#singles };
    this.#singles = [];
    this.isReceiptDue = false;
    return receipt;
  }
}
