// The round trip of a path without a queue: a minimum that any sample may lower, and that only a probe may raise. A probe lets no more in flight than half of
// what the path holds, and takes the time of the first octets that leave then. It is due every ten seconds under load, and when the rate is in doubt. Pure.

/** Under load the least round trip is measured anew this often (ms). */
const probeEveryMs = 10_000;
/** A doubt makes a probe no sooner than this many round trips after the last. */
const doubtRoundTrips = 5;
/** Before the first sample (ms). */
const unknownMs = 50;
const leastUnknownMs = 10;
/** A probe that differs by this from what was known is repeated at once: half of a product that was too great may still have had a queue, and a path that stood
 * still looks like a longer one. */
const fallPart = 0.8;
const risePart = 1.25;
const repeatsMax = 4;

export class RoundTrips {
  #leastMs = Infinity;
  #smoothMs = Infinity;
  #dueMs: number;
  #endedMs = -Infinity;
  #state: "none" | "draining" | "measuring" = "none";
  #isDoubt = false;
  #repeats = 0;
  /** What a probe said that is being repeated because it was greater. */
  #raisedMs = Infinity;
  #drainedRate = Infinity;

  constructor(nowMs: number) {
    this.#dueMs = nowMs + probeEveryMs;
  }

  /** The least known (ms). */
  get leastMs(): number {
    return this.#leastMs === Infinity ? leastUnknownMs : this.#leastMs;
  }

  get smoothMs(): number {
    return this.#smoothMs === Infinity ? unknownMs : this.#smoothMs;
  }

  /** No more may be in flight than half of what the path holds, and the next octets that leave are the probe. */
  get isDraining(): boolean {
    return this.#state === "draining";
  }

  /** No more may be in flight than half of what the path holds. What leaves behind a probe cannot delay it; but a rate that is in doubt would fill the queue again. */
  get isHeld(): boolean {
    return this.#state === "draining" || (this.#state === "measuring" && this.#isDoubt);
  }

  get isProbing(): boolean {
    return this.#state !== "none";
  }

  /** What the path delivered while the last probe drained it, in octets per second. */
  get drainedRate(): number {
    return this.#drainedRate;
  }

  /** Only a clean sample is the path's; one that waited in our socket is still no shorter than the path. */
  learn(ms: number, isClean: boolean, nowMs: number): void {
    if (isClean) this.#smooth(ms);
    if (ms >= this.#leastMs) return;
    this.#leastMs = ms;
    this.#dueMs = nowMs + probeEveryMs;
  }

  #smooth(ms: number): void {
    this.#smoothMs = this.#smoothMs === Infinity ? ms : this.#smoothMs * 0.875 + ms * 0.125;
  }

  /** The path is in use: a probe may begin. While slow rounds are being counted, the one that they may make says more than one that is due. */
  mayProbe(rates: { readonly isSlow: boolean; readonly isInDoubt: boolean }, nowMs: number): void {
    if (this.isProbing) return;
    const isDue = rates.isInDoubt ? nowMs >= this.#endedMs + doubtRoundTrips * this.smoothMs : !rates.isSlow && nowMs >= this.#dueMs;
    if (isDue) this.#state = "draining";
  }

  /** The probe has left. `isDoubt`: it has to judge the rate. */
  left(isDoubt: boolean, drainedRate: number): void {
    this.#state = "measuring";
    this.#isDoubt = isDoubt;
    this.#drainedRate = drainedRate;
  }

  /** The probe was acknowledged after `ms`; false when it has to be repeated. */
  came(ms: number, nowMs: number): boolean {
    this.#smooth(ms);
    const isSuspect = ms < fallPart * this.#leastMs || (!this.#isDoubt && this.#raisedMs === Infinity && ms > risePart * this.#leastMs);
    if (isSuspect && this.#repeats < repeatsMax) {
      this.#repeats += 1;
      if (ms < this.#leastMs) this.#leastMs = ms;
      else this.#raisedMs = ms;
      this.#state = "draining";
      return false;
    }
    this.#leastMs = Math.min(ms, this.#raisedMs);
    this.#raisedMs = Infinity;
    this.#repeats = 0;
    this.#state = "none";
    this.#endedMs = nowMs;
    this.#dueMs = nowMs + probeEveryMs;
    return true;
  }
}
