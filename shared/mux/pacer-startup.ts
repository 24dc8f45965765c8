// The first rounds of a link, and those after its path became much faster or longer: the cap doubles per round, as every acknowledged octet lets two leave,
// until the rate no longer gains by it. Pure.

/** Two seconds of the slowest path that is served (8 kB/s). */
const capOctetsStart = 16_384;
/** It ends when three rounds gained less than a quarter: what the cap let in shows in the rate two rounds later. */
const gainPart = 1.25;
const flatRoundsMax = 3;
/** A round of this many least round trips shows that the path is full: the cap grows no more, and a rate that did not gain will not gain. */
const queueRoundTrips = 1.4;
/** The cap stays below so many times what was delivered in a round trip, which is what doubling needs when the rate is a round old. What the last doubling was too
 * much waits in the path's queue for a round. */
const productsMax = 4;

export class Startup {
  #isOver = false;
  #cap = capOctetsStart;
  #capMost = Infinity;
  #best = 0;
  #flatRounds = 0;
  #hasQueue = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  get capOctets(): number {
    return this.#cap;
  }

  /** Only a cap that is in use grows: `inFlight` is what was under way until now. `product`: what was delivered in a round trip, 0 while unknown. */
  acked(octets: number, inFlight: number, product: number): void {
    if (this.#isOver || this.#hasQueue || this.#cap >= 2 * inFlight) return;
    this.#cap = Math.max(this.#cap, Math.min(this.#cap + octets, this.#capMost, product === 0 ? Infinity : productsMax * product));
  }

  /** A round in which the path was busy. `roundTrips`: how many least round trips its own was. */
  judge(rate: number, roundTrips: number): void {
    this.#hasQueue = roundTrips > queueRoundTrips;
    if (rate > this.#best * gainPart) {
      this.#best = rate;
      this.#flatRounds = 0;
      return;
    }
    this.#flatRounds += 1;
    this.#isOver = this.#hasQueue || this.#cap >= this.#capMost || this.#flatRounds >= flatRoundsMax;
  }

  /** Begins anew, from a cap that is in use and not beyond `capMost`. */
  again(capOctets: number, rate: number, capMost: number): void {
    this.#isOver = false;
    this.#cap = capOctets;
    this.#capMost = Math.max(capOctets, capMost);
    this.#best = rate;
    this.#flatRounds = 0;
    this.#hasQueue = false;
  }
}
