// All window arithmetic, in one asserted file. Credit is counted in octets and absolute: a limit is the total that may have been sent since the
// stream began, so granting twice the same changes nothing and nothing can go negative. Pure. PROTOCOL.md section 4.
import { invariant } from "../kit/assert.ts";
import { creditHeldBytesMax, creditHeldMs, creditStreamBytesMax } from "../wire/limits.ts";

/** A stream that took nothing for this long (ms), or four round trips, falls back to its start window: stalled readers keep little. */
const stallMs = 1_000;
/** Below this a round trip says more about event loops than about the path (ms); the sender's cap knows the same floor. */
const roundTripMsMin = 10;
/** Windows are this many times what a reader takes in a round trip. Twice is what a sender without a cap needs; one that doubles per round, and whose grants come in
 * steps, is held back by its cap and not by us from three times on; the fourth is for a round trip that became longer than we know. */
const windowRoundTrips = 4;
/** A CREDIT is worth sending when this part of the window is free, or this much. */
const grantPart = 1 / 4;
const grantBytesMax = 262_144;
/** A window of which so little was needed for `unneededMs`, or eight round trips, is halved: what it has grown is the link's again. */
const unneededPart = 1 / 2;
const unneededMs = 1_000;

/** What we may still send in one stream. */
export class SendWindow {
  #limit: number;
  #sent = 0;

  constructor(startOctets: number) {
    this.#limit = startOctets;
  }

  get available(): number {
    return this.#limit - this.#sent;
  }

  get sent(): number {
    return this.#sent;
  }

  use(octets: number): void {
    this.#sent += octets;
    invariant(this.#sent <= this.#limit, "no more is sent than was granted");
  }

  /** The peer's CREDIT; a lower limit than before is ignored. True when it freed a stream that had none. */
  raise(limit: number): boolean {
    const wasEmpty = this.#limit === this.#sent;
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return wasEmpty;
  }
}

/** Growth above the start windows is a shared good: a ceiling for all streams of a link, and one for all links of the process behind it. What a peer may
 * still send and what a reader has not taken are both under it. */
export class GrowthBudget {
  readonly #max: number;
  readonly #parent: GrowthBudget | null;
  #used = 0;

  /** `parent`: the wider ceiling, which holds beside this one. */
  constructor(octetsMax: number, parent: GrowthBudget | null = null) {
    this.#max = octetsMax;
    this.#parent = parent;
  }

  get used(): number {
    return this.#used;
  }

  /** The widest ceiling is reached: what is left would not let one stream grow to its greatest window. */
  get isReached(): boolean {
    return this.#parent === null ? this.#max - this.#used < creditStreamBytesMax : this.#parent.isReached;
  }

  /** Takes up to `octets`, returns what it got. */
  take(octets: number): number {
    const wanted = Math.min(octets, this.#max - this.#used);
    const got = this.#parent === null ? wanted : this.#parent.take(wanted);
    this.#used += got;
    invariant(got >= 0 && this.#used <= this.#max, "growth stays under its ceiling");
    return got;
  }

  giveBack(octets: number): void {
    this.#used -= octets;
    invariant(octets >= 0 && this.#used >= 0, "no more growth is given back than was taken");
    this.#parent?.giveBack(octets);
  }
}

/** What the peer may send to us in one stream: raised as our reader takes octets, never as they arrive. */
export class ReceiveWindow {
  readonly #start: number;
  readonly #budget: GrowthBudget;
  #window: number;
  /** Octets of the budget that are ours: at least what the peer may send and we hold above the start, even after the window fell. */
  #growth = 0;
  #received = 0;
  #taken = 0;
  /** The limit the peer knows. */
  #granted: number;
  #epoch = { sinceMs: -Infinity, taken: 0 };
  #lastTakeMs = -Infinity;
  #neededMs = -Infinity;
  /** What had been received when it was last asked whether the stream stalls, and its reader was not behind by much. */
  #held = { received: 0, sinceMs: -Infinity };

  constructor(startOctets: number, budget: GrowthBudget) {
    this.#start = startOctets;
    this.#window = startOctets;
    this.#granted = startOctets;
    this.#budget = budget;
  }

  get window(): number {
    return this.#window;
  }

  /** Octets that arrived and were not taken. */
  get held(): number {
    return this.#received - this.#taken;
  }

  /** False when the peer sent more than it was granted. */
  receive(octets: number): boolean {
    if (this.#received + octets > this.#granted) return false;
    this.#received += octets;
    return true;
  }

  /** The reader took octets. True when a CREDIT is worth sending: a good part of the window has become free. */
  take(octets: number, nowMs: number, roundTripMs: number): boolean {
    this.#taken += octets;
    invariant(this.#taken <= this.#received, "no more is taken than has arrived");
    this.#resize(octets, nowMs, Math.max(roundTripMsMin, roundTripMs));
    this.#keep(Math.max(this.#window, this.#granted - this.#taken) - this.#start);
    return this.#taken + this.#window - this.#granted >= Math.min(this.#window * grantPart, grantBytesMax);
  }

  #resize(octets: number, nowMs: number, roundTripMs: number): void {
    const hasStalled = nowMs - this.#lastTakeMs > Math.max(stallMs, 4 * roundTripMs);
    this.#lastTakeMs = nowMs;
    if (hasStalled) {
      this.#window = this.#start;
      this.#epoch = { sinceMs: nowMs, taken: octets };
      this.#neededMs = nowMs;
      return;
    }
    // Judged as soon as it is known, not at the epoch's end.
    this.#epoch.taken += octets;
    const wanted = Math.min(creditStreamBytesMax, windowRoundTrips * this.#epoch.taken);
    if (wanted > this.#window) this.#grow(wanted);
    if (wanted > this.#window * unneededPart) this.#neededMs = nowMs;
    if (nowMs - this.#epoch.sinceMs < roundTripMs) return;
    this.#epoch = { sinceMs: nowMs, taken: 0 };
    if (nowMs - this.#neededMs < Math.max(unneededMs, 8 * roundTripMs)) return;
    this.#window = Math.max(this.#start, Math.ceil(this.#window / 2));
    this.#neededMs = nowMs;
  }

  #grow(octets: number): void {
    const lacking = octets - this.#start - this.#growth;
    if (lacking > 0) this.#growth += this.#budget.take(lacking);
    this.#window = Math.max(this.#window, Math.min(octets, this.#start + this.#growth));
  }

  /** Keeps so much of the growth, the rest is the link's again. */
  #keep(octets: number): void {
    const free = this.#growth - Math.max(0, octets);
    if (free <= 0) return;
    this.#growth -= free;
    this.#budget.giveBack(free);
  }

  /** The limit for a CREDIT frame; the peer knows it from here on. Never falls, though the window may have. */
  grant(): number {
    this.#granted = Math.max(this.#granted, this.#taken + this.#window);
    invariant(this.#granted >= this.#received, "what arrived was granted");
    invariant(this.#granted - this.#taken <= this.#start + this.#growth, "what is granted is under the ceilings");
    return this.#granted;
  }

  /**
   * The stream has to go: the process ceiling is reached, and more than `creditHeldBytesMax` has been held since an earlier question, `creditHeldMs` ago or more. To be
   * asked about once a second while `budget.isReached`. A reader that is slow against its sender but goes on is not one that stalls.
   */
  isStalled(nowMs: number): boolean {
    if (!this.#budget.isReached || this.#held.received - this.#taken <= creditHeldBytesMax) {
      this.#held = { received: this.#received, sinceMs: nowMs };
      return false;
    }
    return nowMs - this.#held.sinceMs >= creditHeldMs;
  }

  /** The stream is over: its growth returns to the link. */
  release(): void {
    this.#window = this.#start;
    this.#keep(0);
  }
}
