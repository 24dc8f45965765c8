// Joins a durable outbox and inbox to one link. Takes letters from the store (marked offered, durable) as the peer's credit allows, and gives
// receipts only after its own side's commit. Nothing is sent twice on a live link. Memory: one lease out, one credit in. Ends with its link.
import { asFault } from "../kit/errors.ts";
import { crashPoint } from "../kit/crash.ts";
import type { Clock, CancelTimer } from "../kit/clock.ts";
import type { Logger } from "../kit/log.ts";
import { invariant } from "../kit/assert.ts";
import type { LaneName } from "../rules/lanes.ts";
import { parseLetterOctets, type Letter } from "./letter.ts";

export type SettleStatus = "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed";

/** What a courier needs of a link. */
export interface LetterPort {
  readonly letterRoom: { readonly letters: number; readonly octets: number };
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
  /** Marks letters as offered and renders (signs) them. */
  lease(room: { readonly letters: number; readonly octets: number }): Promise<RenderedLetter[]>;
  settle(id: string, status: SettleStatus): Promise<void>;
  /** Judges and commits one letter that came. Never rejects for what a peer sent. */
  intake(letter: Letter): Promise<SettleStatus>;
}

/** Octets under way from one side of one link: a thousand sites that return at once must not hold a gigabyte. */
const underWayOctetsMax = 1_048_576;
const leaseLettersMax = 32;
/** A letter without a receipt for this long (ms) after it was offered, on a live link, means that something is lost: the link is resumed. */
const receiptMs = 60_000;

interface Partial {
  readonly chunks: Uint8Array[];
  octets: number;
}

export class Courier {
  readonly #port: LetterPort;
  readonly #side: CourierSide;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onStuck: () => void;
  readonly #offered = new Map<string, { octets: number; sinceMs: number }>();
  readonly #partial = new Map<number, Partial>();
  #granted: { letters: number; octets: number };
  #isLeasing = false;
  #wantsLease = false;
  #isOpen = false;
  #hasEnded = false;
  #cancelWatch: CancelTimer = () => {};

  constructor(options: { port: LetterPort; side: CourierSide; clock: Clock; log: Logger; granted: { letters: number; octets: number }; onStuck: () => void }) {
    this.#port = options.port;
    this.#side = options.side;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#granted = { ...options.granted };
    this.#onStuck = options.onStuck;
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
        if (await this.#leaseSome()) this.#wantsLease = true;
      }
    } catch (error) {
      const fault = asFault(error);
      this.#log.warn({ code: fault.code, why: fault.why }, "letters could not be taken from the store");
    } finally {
      this.#isLeasing = false;
    }
  }

  /** True when there may be more. */
  async #leaseSome(): Promise<boolean> {
    const room = this.#port.letterRoom;
    const underWay = [...this.#offered.values()].reduce((sum, letter) => sum + letter.octets, 0);
    const octets = Math.min(room.octets, this.#offered.size === 0 ? room.octets : underWayOctetsMax - underWay);
    const letters = Math.min(room.letters, leaseLettersMax);
    if (letters < 1 || octets < 1) return false;
    const leased = await this.#side.lease({ letters: this.#offered.size === 0 && octets > underWayOctetsMax ? Math.min(letters, leaseLettersMax) : letters, octets });
    if (this.#hasEnded) return false; // they are in doubt now, and the next link settles that
    for (const letter of leased) {
      this.#offered.set(letter.id, { octets: letter.bytes.length, sinceMs: this.#clock.monoMs() });
      this.#port.offerLetter({ handle: letter.id, lane: letter.lane, bytes: letter.bytes });
    }
    if (leased.length > 0) setImmediate(() => crashPoint("after-send"));
    this.#watch();
    return leased.length > 0;
  }

  onSettled(handle: string, status: SettleStatus): void {
    this.#offered.delete(handle);
    this.#side.settle(handle, status).then(
      () => this.poke(),
      (error: unknown) => this.#log.error({ code: asFault(error).code, why: asFault(error).why }, "a receipt could not be stored"),
    );
    this.#watch();
  }

  onLetterRoom(): void {
    this.poke();
  }

  onLetterChunk(number: number, offset: number, total: number, chunk: Uint8Array): void {
    const partial = this.#partial.get(number) ?? { chunks: [], octets: 0 };
    invariant(partial.octets === offset, "chunks of a letter come in order");
    partial.chunks.push(chunk);
    partial.octets += chunk.length;
    if (partial.octets < total) return void this.#partial.set(number, partial);
    this.#partial.delete(number);
    void this.#take(number, partial.chunks.length === 1 ? chunk : Buffer.concat(partial.chunks));
  }

  async #take(number: number, octets: Uint8Array): Promise<void> {
    let status: SettleStatus;
    try {
      status = await this.#side.intake(parseLetterOctets(octets));
    } catch (error) {
      const fault = asFault(error);
      this.#log.warn({ code: fault.code, why: fault.why }, "a letter was refused");
      status = fault.family === "refused" ? "malformed" : "storage";
    }
    if (this.#hasEnded) return; // committed without a receipt: the next link names it as held
    this.#port.settleLetter(number, status);
    setImmediate(() => crashPoint("receipt-sent"));
    this.#granted = { letters: this.#granted.letters + 1, octets: this.#granted.octets + octets.length };
    this.#port.grantLetters(this.#granted);
  }

  #watch(): void {
    this.#cancelWatch();
    let oldestMs = Infinity;
    for (const letter of this.#offered.values()) oldestMs = Math.min(oldestMs, letter.sinceMs);
    if (oldestMs === Infinity || this.#hasEnded) return;
    this.#cancelWatch = this.#clock.after(Math.max(1_000, oldestMs + receiptMs - this.#clock.monoMs()), () => {
      if (this.#hasEnded) return;
      this.#log.warn({ letters: this.#offered.size }, "letters have no receipt on a live link; it is resumed");
      this.#onStuck();
    });
  }

  onLinkEnd(): void {
    this.#hasEnded = true;
    this.#cancelWatch();
    this.#partial.clear();
    this.#offered.clear();
  }
}
