// Joins a durable outbox and inbox to one link. Takes letters from the store (marked offered, durable) as the peer's credit allows, and gives
// receipts only after its own side's commit. Nothing is sent twice on a live link. A receipt that cannot be stored is tried until it is, or until the link
// ends and the letter is in doubt. Memory: one lease out, one credit in. Ends with its link.
import { asFault } from "../kit/errors.ts";
import { crashPoint } from "../kit/crash.ts";
import { pause, type Clock, type CancelTimer } from "../kit/clock.ts";
import type { Logger } from "../kit/log.ts";
import { invariant } from "../kit/assert.ts";
import type { LaneName } from "../rules/lanes.ts";
import { keepable } from "../wire/keepable.ts";
import { letterCreditLetters } from "../wire/limits.ts";
import { parseLetterOctets, type Letter } from "./letter.ts";
import type { LeaseRoom } from "./outbox.ts";

export type SettleStatus = "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed";

/** What a courier needs of a link. */
export interface LetterPort {
  readonly letterRoom: { readonly letters: number; readonly octets: number };
  /** Streams are under way, or were a moment ago: somebody waits for answers on this link. */
  readonly isShared: boolean;
  offerLetter(letter: { readonly handle: string; readonly lane: LaneName; readonly bytes: Uint8Array }): void;
  settleLetter(number: number, status: SettleStatus): void;
  grantLetters(total: { readonly letters: number; readonly octets: number }): void;
}

export interface RenderedLetter {
  readonly id: string;
  readonly lane: LaneName;
  readonly bytes: Uint8Array;
}

/** What a courier needs of its side. All durable when their promises resolve. */
export interface CourierSide {
  /** Marks letters as offered and renders (signs) them. What cannot be rendered is the side's to put right: it is not among them. */
  lease(room: LeaseRoom): Promise<RenderedLetter[]>;
  settle(id: string, status: SettleStatus): Promise<void>;
  /** Judges and commits one letter that came. Never rejects for what a peer sent: a rejection is our own store's, and means "storage". */
  intake(letter: Letter): Promise<SettleStatus>;
}

/** Octets under way from one side of one link, one letter aside: a thousand sites that return at once must not hold a gigabyte. */
const underWayOctetsMax = 1_048_576;
const leaseLettersMax = 32;
/**
 * While the link has streams, a lease has so many letters and the next one comes no sooner (ms): 400 a second. Signed, sent,
 * verified, committed and receipted, each letter costs both ends processor time that a request waits for: unpaced the p99 of a small request was many times that of an idle
 * link, at this pace 2.4 times in one whole run (`bench replay`, on two cores that had others to serve). A site without streams returns as fast as it can.
 */
const paced = { letters: 8, everyMs: 20 } as const;
/** Letters that came together are judged for this long (ms) in one turn of the loop: each costs a signature, and streams wait behind them. */
const takeMsMax = 1;
/** A letter whose last octet was acknowledged has its receipt within this time (ms) on a live link, or something is lost and the link is resumed. */
const receiptMs = 30_000;
/** A store that failed is tried again after this (ms), doubling to the most. */
const retryMs = { first: 1_000, most: 30_000 };

/** A letter of which more is to come. Its memory grows as its octets arrive: what is announced costs nothing, and no chunk keeps the message it came in. */
interface Arriving {
  memory: Buffer;
  octets: number;
}
const arrivingBytesMin = 16_384;

interface Offered {
  readonly octets: number;
  /** When the peer had all of it, or Infinity. How long it takes until then is the link's own affair: 3 MiB at 8 kB/s are six minutes. */
  ackedMs: number;
}

export class Courier {
  readonly #port: LetterPort;
  readonly #side: CourierSide;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onStuck: () => void;
  readonly #offered = new Map<string, Offered>();
  /** Receipts that are being stored; their letters are outstanding until they are. */
  #settling = 0;
  readonly #arriving = new Map<number, Arriving>();
  readonly #end = new AbortController();
  #granted: { letters: number; octets: number };
  #isLeasing = false;
  #wantsLease = false;
  #isOpen = false;
  #leaseRetryMs = retryMs.first;
  #nextLeaseMs = 0;
  #cancelPace: CancelTimer = () => {};
  /** Letters that came and are not judged yet; no more than were granted. */
  readonly #came: { readonly number: number; readonly octets: Uint8Array }[] = [];
  #isTaking = false;
  #cancelRetry: CancelTimer = () => {};
  #cancelWatch: CancelTimer = () => {};

  constructor(options: { port: LetterPort; side: CourierSide; clock: Clock; log: Logger; granted: { letters: number; octets: number }; onStuck: () => void }) {
    this.#port = options.port;
    this.#side = options.side;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#granted = { ...options.granted };
    this.#onStuck = options.onStuck;
  }

  get #hasEnded(): boolean {
    return this.#end.signal.aborted;
  }

  /** What is in doubt has been settled: letters may leave. */
  open(): void {
    this.#isOpen = true;
    this.poke();
  }

  /** A letter may have been put: look. */
  poke(): void {
    this.#wantsLease = true;
    if (this.#isOpen && !this.#isLeasing && !this.#hasEnded) void this.#leaseAll();
  }

  async #leaseAll(): Promise<void> {
    this.#isLeasing = true;
    try {
      while (this.#wantsLease && !this.#hasEnded) {
        this.#wantsLease = false;
        if (this.#mustWait()) break;
        if (await this.#leaseSome()) this.#wantsLease = true;
      }
      this.#leaseRetryMs = retryMs.first;
    } catch (error) {
      const fault = asFault(error);
      this.#log.warn({ code: fault.code, why: fault.why }, "letters could not be taken from the store");
      this.#cancelRetry();
      if (!this.#hasEnded) this.#cancelRetry = this.#clock.after(this.#leaseRetryMs, () => this.poke());
      this.#leaseRetryMs = Math.min(retryMs.most, this.#leaseRetryMs * 2);
    } finally {
      this.#isLeasing = false;
    }
  }

  /** True while streams have the link and the last lease was just now; it is looked at again when its time comes. */
  #mustWait(): boolean {
    const nowMs = this.#clock.monoMs();
    this.#cancelPace();
    if (this.#port.isShared && nowMs < this.#nextLeaseMs) {
      this.#cancelPace = this.#clock.after(this.#nextLeaseMs - nowMs, () => this.poke());
      return true;
    }
    return false;
  }

  /** True when there may be more. */
  async #leaseSome(): Promise<boolean> {
    const credit = this.#port.letterRoom;
    let underWay = 0;
    for (const letter of this.#offered.values()) underWay += letter.octets;
    const letters = Math.min(credit.letters, this.#port.isShared ? paced.letters : leaseLettersMax, letterCreditLetters - this.#offered.size - this.#settling);
    const octets = Math.min(credit.octets, underWayOctetsMax - underWay);
    const octetsMax = this.#offered.size === 0 ? credit.octets : octets;
    if (letters < 1 || octetsMax < 1) return false;
    const leased = await this.#side.lease({ letters, octets, octetsMax });
    let left = 0;
    for (const letter of leased) {
      // After the link's end, or after BYE, they are in doubt and the next link settles that.
      if (this.#hasEnded || this.#port.letterRoom.letters < 1) break;
      this.#offered.set(letter.id, { octets: letter.bytes.length, ackedMs: Infinity });
      this.#port.offerLetter({ handle: letter.id, lane: letter.lane, bytes: letter.bytes });
      left += 1;
    }
    if (left === 0) return false;
    this.#nextLeaseMs = this.#clock.monoMs() + paced.everyMs;
    setImmediate(() => crashPoint("after-send"));
    return true;
  }

  /** The peer has the letter's last octet: from here on its receipt is only a commit and a round trip away. */
  onLetterAcked(handle: string): void {
    const letter = this.#offered.get(handle);
    if (letter === undefined) return;
    letter.ackedMs = this.#clock.monoMs();
    this.#watch();
  }

  onSettled(handle: string, status: SettleStatus): void {
    if (!this.#offered.delete(handle)) return;
    this.#watch();
    void this.#settle(handle, status);
  }

  async #settle(handle: string, status: SettleStatus): Promise<void> {
    this.#settling += 1;
    for (let delayMs = retryMs.first; !this.#hasEnded; delayMs = Math.min(retryMs.most, delayMs * 2)) {
      try {
        await this.#side.settle(handle, status);
        break;
      } catch (error) {
        this.#log.error({ letter: handle, code: asFault(error).code, why: asFault(error).why }, "a receipt could not be stored; tried again");
        await pause(this.#clock, delayMs, this.#end.signal).catch(() => {}); // the link ended: the letter is in doubt, and the next link settles it
      }
    }
    this.#settling -= 1;
    this.poke();
  }

  onLetterRoom(): void {
    this.poke();
  }

  onLetterChunk(number: number, offset: number, total: number, chunk: Uint8Array): void {
    if (chunk.length === total) return this.#arrived(number, keepable(chunk));
    const arriving = this.#arriving.get(number) ?? { memory: Buffer.alloc(0), octets: 0 };
    invariant(arriving.octets === offset, "chunks of a letter come in order");
    const octets = offset + chunk.length;
    if (octets > arriving.memory.length) {
      const memory = Buffer.allocUnsafeSlow(Math.min(total, Math.max(arrivingBytesMin, 2 * octets)));
      memory.set(arriving.memory.subarray(0, offset));
      arriving.memory = memory;
    }
    arriving.memory.set(chunk, offset);
    arriving.octets = octets;
    if (octets < total) {
      this.#arriving.set(number, arriving);
      return void setImmediate(() => crashPoint("letter-half-arrived"));
    }
    this.#arriving.delete(number);
    this.#arrived(number, arriving.memory);
  }

  #arrived(number: number, octets: Uint8Array): void {
    this.#came.push({ number, octets });
    if (!this.#isTaking) setImmediate(() => this.#takeSome());
    this.#isTaking = true;
  }

  /** In the order in which they came, a few in each turn: what one read brought is many letters. */
  #takeSome(): void {
    const untilMs = this.#clock.monoMs() + takeMsMax;
    for (let next = this.#came.shift(); next !== undefined && !this.#hasEnded; next = this.#came.shift()) {
      void this.#take(next.number, next.octets);
      if (this.#came.length > 0 && this.#clock.monoMs() >= untilMs) return void setImmediate(() => this.#takeSome());
    }
    this.#isTaking = false;
  }

  async #take(number: number, octets: Uint8Array): Promise<void> {
    const status = await this.#judge(octets);
    if (this.#hasEnded) return; // committed without a receipt: the next link names it as held
    this.#port.settleLetter(number, status);
    setImmediate(() => crashPoint("receipt-sent"));
    this.#granted = { letters: this.#granted.letters + 1, octets: this.#granted.octets + octets.length };
    this.#port.grantLetters(this.#granted);
  }

  async #judge(octets: Uint8Array): Promise<SettleStatus> {
    let letter: Letter;
    try {
      letter = parseLetterOctets(octets);
    } catch (error) {
      const fault = asFault(error);
      this.#log.warn({ code: fault.code, why: fault.why }, "a letter was refused");
      return fault.code === "LETTER_UNSUPPORTED" ? "unsupported" : "malformed";
    }
    try {
      return await this.#side.intake(letter);
    } catch (error) {
      const fault = asFault(error);
      this.#log.error({ letter: letter.head.id, code: fault.code, why: fault.why }, "a letter could not be stored");
      return "storage";
    }
  }

  #watch(): void {
    this.#cancelWatch();
    let oldestMs = Infinity;
    for (const letter of this.#offered.values()) oldestMs = Math.min(oldestMs, letter.ackedMs);
    if (oldestMs === Infinity || this.#hasEnded) return;
    this.#cancelWatch = this.#clock.after(Math.max(0, oldestMs + receiptMs - this.#clock.monoMs()), () => {
      if (this.#hasEnded) return;
      this.#log.warn({ letters: this.#offered.size }, "letters have no receipt on a live link; it is resumed");
      this.#onStuck();
    });
  }

  onLinkEnd(): void {
    this.#end.abort(new Error("the link ended"));
    this.#cancelWatch();
    this.#cancelRetry();
    this.#cancelPace();
    this.#came.length = 0;
    this.#arriving.clear();
    this.#offered.clear();
  }
}
