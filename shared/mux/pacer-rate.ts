// The delivery rate of a path: the maximum over rounds. A round may raise it at once; one in which the path was not busy never ages it. Rounds that are
// clearly slower put it in doubt and change nothing: a slower path and a longer round trip look the same until the round trip was probed (pacer-probe.ts),
// and to believe the first when it is the second would spiral down. Pure.
import type { Round } from "./pacer-rounds.ts";

/** Rounds that the maximum remembers. */
const roundsMax = 10;
/** Below this part of the rate a round is slow, not noise. */
const slowPart = 0.9;
/** So many slow rounds in a row put the rate in doubt, a path that only stood still makes one; or a single one that was late though octets came all the time. */
const slowRounds = 3;
/** A rate that rises by this in so many rounds in a row is that of a path with room: doubling finds it sooner than the gain does. */
const risePart = 1.04;
const riseRounds = 3;
/** A slow round whose round trip is longer than the probed one by this had a queue: its rate was the path's. */
const queuePart = 1.15;
/** What a path delivered while it drained is newer than the round before it; if it is less than this part of it, the path stood still meanwhile. */
const drainedPartMin = 1 / 2;

export interface RoundSample extends Round {
  readonly roundTripMs: number;
  /** The round trip was so long that there was a queue, and we had our part in it. */
  readonly isLate: boolean;
}

/** What a probe says of slow rounds. */
export type Verdict = "same" | "slower" | "longer";

export class RateMemory {
  #best = 0;
  #latest = 0;
  #rates: number[] = [];
  #slow: RoundSample[] = [];
  #rises = 0;

  /** Octets per second, 0 before the first round. */
  get best(): number {
    return this.#best;
  }

  /** Of the latest round in which the path was busy. */
  get latest(): number {
    return this.#latest;
  }

  /** The latest round was slow. */
  get isSlow(): boolean {
    return this.#slow.length > 0;
  }

  get isInDoubt(): boolean {
    const last = this.#slow.at(-1);
    return last !== undefined && (this.#slow.length >= slowRounds || (last.isLate && last.isEven));
  }

  get isRising(): boolean {
    return this.#rises >= riseRounds;
  }

  learn(round: RoundSample): void {
    const isSaying = round.isBusy || round.isLate;
    if (isSaying || round.rate > this.#latest) this.#latest = round.rate;
    const isSlow = round.rate < slowPart * this.#best;
    if (!isSlow || !isSaying) this.#slow = [];
    else {
      this.#slow.push(round);
      if (this.#slow.length > slowRounds) this.#slow.shift();
    }
    this.#rises = round.isBusy && round.rate > risePart * this.#best ? this.#rises + 1 : 0;
    if (round.rate > this.#best || (round.isBusy && !isSlow)) this.#remember(round.rate);
  }

  #remember(rate: number): void {
    this.#rates.push(rate);
    if (this.#rates.length > roundsMax) this.#rates.shift();
    this.#best = Math.max(...this.#rates);
  }

  /**
   * The round trip without a queue was found. If the slow rounds had a queue, the path is slower. If they had none, it is longer, and what it delivers with more under
   * way has to be found anew. `drainedRate`: octets per second that came while the queue drained.
   */
  settle(roundTripMs: number, drainedRate: number): Verdict {
    const last = this.#slow.at(-1);
    const verdict = last === undefined || !this.isInDoubt ? "same" : last.roundTripMs > queuePart * roundTripMs ? "slower" : "longer";
    if (verdict !== "same") {
      this.#best = verdict === "longer" ? last!.rate : Math.min(last!.rate, Math.max(drainedRate, last!.rate * drainedPartMin));
      this.#rates = [this.#best];
    }
    this.#slow = [];
    this.#rises = 0;
    this.#latest = this.#best;
    return verdict;
  }
}
