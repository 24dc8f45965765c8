// How much may be under way on a link, so that the queue waits with us and not in the kernel: cap = gain x delivery rate x round trip (link section
// 2). The rate is a maximum over rounds, the round trip a minimum; both only from samples that say something about the path. Pure.
import { frameBytesMax, messageBytesTarget, messageTargetMs } from "../wire/limits.ts";
import type { Pacer } from "./pacer-type.ts";

/** Slightly above what the path delivers: a path that became faster is found within a few rounds. */
const gain = 1.1;
/** Below this a round trip says more about event loops than about the path (ms). */
const roundTripFloorMs = 10;
/** Never less than two of these: one on its way while the next is acknowledged. */
const frameFloorBytes = 8_192;
const startCapBytes = 131_072;
/** Start-up ends when three rounds in a row gained less than a quarter. */
const startupGain = 1.25;
const startupRounds = 3;
const startupCapMax = 16_777_216;
/** Rounds that the maximum rate remembers. */
const rateRounds = 10;
/** Under load the minimum round trip is measured anew this often (ms), with half the cap for one round. */
const probeEveryMs = 10_000;

interface Round {
  readonly endOctets: number;
  readonly ackedOctets: number;
  readonly startMs: number;
  /** Nothing waited in the socket: its time is the path's, not our own queue's. */
  readonly isClean: boolean;
  isLimited: boolean;
}

export class RatePacer implements Pacer {
  #sent = 0;
  #acked = 0;
  #round: Round | null = null;
  #rates: number[] = [];
  #rate = 0;
  #minRoundTripMs = Infinity;
  #roundTripMs = Infinity;
  #isStarting = true;
  #startupCap = startCapBytes;
  #startupBest = 0;
  #startupFlat = 0;
  #probeDueMs: number;
  #isProbing = false;
  #probeMin = Infinity;
  #rampFromMs = -Infinity;
  #lastSentMs = -Infinity;

  constructor(nowMs: number) {
    this.#probeDueMs = nowMs + probeEveryMs;
  }

  get capOctets(): number {
    const product = (this.#rate / 1_000) * Math.max(this.#minRoundTripMs === Infinity ? 0 : this.#minRoundTripMs, roundTripFloorMs);
    const steady = gain * product * (this.#isProbing ? 0.5 : 1);
    return Math.max(2 * frameFloorBytes, this.#isStarting ? Math.max(this.#startupCap, steady) : steady);
  }

  get rateBytesPerS(): number {
    return this.#rate;
  }

  get minRoundTripMs(): number {
    return this.#minRoundTripMs === Infinity ? roundTripFloorMs : this.#minRoundTripMs;
  }

  get roundTripMs(): number {
    return this.#roundTripMs === Infinity ? 50 : this.#roundTripMs;
  }

  allowance(nowMs: number): number {
    const inFlight = this.#sent - this.#acked;
    const room = Math.floor(this.#rampedCap(nowMs)) - inFlight;
    return inFlight === 0 ? Math.max(room, this.frameOctetsMax()) : Math.max(0, room);
  }

  /** After idle the old cap holds, spread over one round trip: the path's queue is empty, and a burst would fill it at once. */
  #rampedCap(nowMs: number): number {
    const cap = this.capOctets;
    const roundTripMs = this.#minRoundTripMs;
    if (roundTripMs === Infinity || roundTripMs < roundTripFloorMs) return cap;
    const part = (nowMs - this.#rampFromMs) / roundTripMs;
    return part >= 1 ? cap : Math.max(2 * frameFloorBytes, cap * part);
  }

  sent(octets: number, nowMs: number, socketWasEmpty: boolean): void {
    const wasIdle = this.#sent === this.#acked;
    if (wasIdle && nowMs - this.#lastSentMs > this.roundTripMs) this.#rampFromMs = nowMs;
    this.#lastSentMs = nowMs;
    this.#sent += octets;
    this.#round ??= { endOctets: this.#sent, ackedOctets: this.#acked, startMs: nowMs, isClean: socketWasEmpty, isLimited: false };
  }

  acked(totalOctets: number, nowMs: number): void {
    this.#acked = totalOctets;
    const round = this.#round;
    if (round === null || totalOctets < round.endOctets) return;
    this.#round = null;
    const ms = Math.max(0.05, nowMs - round.startMs);
    if (round.isClean) this.#learnRoundTrip(ms, nowMs);
    this.#learnRate(((totalOctets - round.ackedOctets) * 1_000) / Math.max(ms, 1), round, nowMs);
  }

  #learnRoundTrip(ms: number, nowMs: number): void {
    this.#roundTripMs = this.#roundTripMs === Infinity ? ms : this.#roundTripMs * 0.875 + ms * 0.125;
    if (this.#isProbing) this.#probeMin = Math.min(this.#probeMin, ms);
    if (ms < this.#minRoundTripMs) {
      this.#minRoundTripMs = ms;
      this.#probeDueMs = nowMs + probeEveryMs;
    }
  }

  #learnRate(rate: number, round: Round, nowMs: number): void {
    if (rate > this.#rate) {
      this.#rates.push(rate);
    } else if (!round.isLimited) {
      this.#rates.push(rate);
    }
    if (this.#rates.length > rateRounds) this.#rates.shift();
    this.#rate = Math.max(...this.#rates, 0);
    if (this.#isStarting && !round.isLimited) this.#stepStartup();
    this.#stepProbe(round, nowMs);
  }

  #stepStartup(): void {
    if (this.#rate > this.#startupBest * startupGain) {
      this.#startupBest = this.#rate;
      this.#startupFlat = 0;
    } else this.#startupFlat += 1;
    if (this.#startupFlat >= startupRounds) this.#isStarting = false;
    else this.#startupCap = Math.min(startupCapMax, this.#startupCap * 2);
  }

  #stepProbe(round: Round, nowMs: number): void {
    if (this.#isProbing) {
      this.#isProbing = false;
      if (this.#probeMin < Infinity) this.#minRoundTripMs = this.#probeMin;
      this.#probeMin = Infinity;
      this.#probeDueMs = nowMs + probeEveryMs;
    } else if (!this.#isStarting && !round.isLimited && nowMs >= this.#probeDueMs) this.#isProbing = true;
  }

  idle(): void {
    if (this.#round !== null) this.#round.isLimited = true;
  }

  frameOctetsMax(): number {
    const quarter = Math.floor(this.capOctets / 4);
    return quarter < 1_024 ? 1_024 : quarter > frameBytesMax ? frameBytesMax : quarter;
  }

  messageOctetsMax(): number {
    if (this.#rate === 0) return messageBytesTarget;
    const octets = (this.#rate / 1_000) * messageTargetMs;
    return octets < 1_024 ? 1_024 : octets > messageBytesTarget ? messageBytesTarget : octets;
  }

  nextWakeMs(nowMs: number): number {
    const endMs = this.#rampFromMs + this.#minRoundTripMs;
    return nowMs < endMs && endMs !== Infinity ? nowMs + 2 : Infinity;
  }
}
