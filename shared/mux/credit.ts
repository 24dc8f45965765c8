// All window arithmetic, in one asserted file. Credit is counted in octets and absolute: a limit is the total that may have been sent since the
// stream began, so granting twice the same changes nothing and nothing can go negative. Pure. PROTOCOL.md section 4.
import { invariant } from "../kit/assert.ts";
import { creditStreamBytesMax } from "../wire/limits.ts";

/** A stream that took nothing for this long (ms), or four round trips, falls back to its start window: stalled readers keep little. */
const stallMs = 1_000;
/** Below this a round trip says more about timers than about the path (ms). */
const roundTripFloorMs = 5;

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

/** Growth above the start windows is a shared good of the link: the ceiling bounds what all fast readers together may have under way. */
export class GrowthBudget {
  readonly #max: number;
  #used = 0;

  constructor(octetsMax: number) {
    this.#max = octetsMax;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes up to `octets`, returns what it got. */
  take(octets: number): number {
    const got = Math.min(octets, this.#max - this.#used);
    this.#used += got;
    return got;
  }

  giveBack(octets: number): void {
    this.#used -= octets;
    invariant(this.#used >= 0, "no more growth is given back than was taken");
  }
}

/** What the peer may send to us in one stream: raised as our reader takes octets, never as they arrive. */
export class ReceiveWindow {
  readonly #start: number;
  readonly #budget: GrowthBudget;
  #window: number;
  #received = 0;
  #taken = 0;
  /** The limit the peer knows. */
  #granted: number;
  #epoch = { sinceMs: -Infinity, taken: 0 };
  #lastTakeMs = -Infinity;

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

  /** The reader took octets. True when a CREDIT is worth sending: half a window has become free. */
  take(octets: number, nowMs: number, roundTripMs: number): boolean {
    this.#taken += octets;
    invariant(this.#taken <= this.#received, "no more is taken than has arrived");
    this.#resize(octets, nowMs, Math.max(roundTripFloorMs, roundTripMs));
    return this.#taken + this.#window - this.#granted >= this.#window / 2;
  }

  #resize(octets: number, nowMs: number, roundTripMs: number): void {
    const hasStalled = nowMs - this.#lastTakeMs > Math.max(stallMs, 4 * roundTripMs);
    this.#lastTakeMs = nowMs;
    if (hasStalled) {
      this.release();
      this.#epoch = { sinceMs: nowMs, taken: octets };
      return;
    }
    this.#epoch.taken += octets;
    // Twice what one round trip consumes keeps the sender busy while our grant travels; judged as soon as it is known, not at the epoch's end.
    const wanted = Math.min(creditStreamBytesMax, 2 * this.#epoch.taken);
    if (wanted > this.#window) this.#window += this.#budget.take(wanted - this.#window);
    if (nowMs - this.#epoch.sinceMs >= roundTripMs) this.#epoch = { sinceMs: nowMs, taken: 0 };
  }

  /** The limit for a CREDIT frame; the peer knows it from here on. Never falls, though the window may have. */
  grant(): number {
    this.#granted = Math.max(this.#granted, this.#taken + this.#window);
    invariant(this.#granted >= this.#received, "what arrived was granted");
    return this.#granted;
  }

  /** Back to the start window; the growth returns to the link. */
  release(): void {
    this.#budget.giveBack(this.#window - this.#start);
    this.#window = this.#start;
  }
}
