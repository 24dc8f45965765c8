// Time cut into rounds, and what one says: how much was delivered in it, whether the path always had something of ours, whether it stood still. A round ends with
// the ACK of octets that left at its begin, so it is a round trip long, or several where those are very short. Pure; what follows from a round is decided in
// pacer-rate.ts and pacer-startup.ts.

/** Below this a round trip says more about event loops than about the path, and a shorter round more about batches of ACKs than about the rate (ms). */
export const roundMsMin = 10;
/** A path that may have run empty because of us for more than this part of a round was not busy, and one of which a gap of this part came first was empty before. */
const idlePartMax = 1 / 8;
/** A round in which ACKs came without a gap of this part of it was not one of a path that stood still. */
const gapPartMax = 1 / 4;

export interface Round {
  /** Octets per second. */
  readonly rate: number;
  /** The path had enough of ours all the time. */
  readonly isBusy: boolean;
  /** Octets were acknowledged all the time. */
  readonly isEven: boolean;
}

export class Rounds {
  #isOpen = false;
  #startMs = -Infinity;
  #startOctets = 0;
  /** It began with an empty path: for a round trip nothing can be acknowledged. */
  #isFilling = false;
  #idleMs = 0;
  #gapMs = 0;
  /** Since when nothing leaves though the path has room for it. */
  #idleSinceMs = Infinity;
  #lastAckMs = -Infinity;
  #lastMs = 0;

  /** How long the open round is under way, 0 when none is. */
  age(nowMs: number): number {
    return this.#isOpen ? nowMs - this.#startMs : 0;
  }

  get startMs(): number {
    return this.#startMs;
  }

  /** Octets leave; `wasEmpty`: nothing was in flight. */
  sent(ackedOctets: number, wasEmpty: boolean, leastMs: number, nowMs: number): void {
    const pauseMs = nowMs - this.#lastAckMs;
    if (wasEmpty && pauseMs > leastMs) this.#isOpen = false;
    if (this.#isOpen && this.#idleSinceMs < nowMs) this.#idleMs += nowMs - Math.max(this.#startMs, this.#idleSinceMs);
    this.#idleSinceMs = Infinity;
    if (this.#isOpen) return;
    this.begin(ackedOctets, nowMs);
    this.#isFilling = pauseMs > leastMs * idlePartMax;
  }

  acked(nowMs: number): void {
    this.#gapMs = Math.max(this.#gapMs, nowMs - Math.max(this.#startMs, this.#lastAckMs));
    this.#lastAckMs = nowMs;
  }

  /** Nothing leaves though the path has room. */
  idle(nowMs: number): void {
    this.#idleSinceMs = Math.min(this.#idleSinceMs, nowMs);
  }

  begin(ackedOctets: number, nowMs: number): void {
    this.#isOpen = true;
    this.#startMs = nowMs;
    this.#startOctets = ackedOctets;
    this.#isFilling = false;
    this.#idleMs = 0;
    this.#gapMs = 0;
  }

  /** Nothing is in flight: the next octets that leave begin a round. */
  close(): void {
    this.#isOpen = false;
  }

  /** Octets per second that the open round has delivered so far; Infinity while it is too short to say. */
  rate(ackedOctets: number, nowMs: number): number {
    const ms = this.age(nowMs);
    return ms < roundMsMin ? Infinity : ((ackedOctets - this.#startOctets) * 1_000) / ms;
  }

  /** The round is over; null while it is too short to say anything. `best`: the rate that is believed so far. */
  end(ackedOctets: number, best: number, nowMs: number): Round | null {
    const ms = this.age(nowMs);
    if (ms < roundMsMin) return null;
    const octets = ackedOctets - this.#startOctets;
    // What was sent in a long round cannot have been delivered in a short one: its ACKs were held up, or the way back became shorter.
    const rate = Math.min((octets * 1_000) / ms, Math.max(best, (octets * 1_000) / Math.max(ms, this.#lastMs)));
    const idleMs = this.#idleMs + Math.max(0, nowMs - Math.max(this.#startMs, this.#idleSinceMs));
    this.#lastMs = ms;
    return { rate, isBusy: !this.#isFilling && idleMs <= ms * idlePartMax, isEven: this.#gapMs < ms * gapPartMax };
  }
}
