// How much may be under way on a link, so that the queue waits with us and not in the kernel: cap = gain x delivery rate x round trip, and one message (link
// section 2). Counts what is under way; what a round of it says is in pacer-rounds.ts, the rate in pacer-rate.ts, the first doubling in pacer-startup.ts, the
// round trip in pacer-probe.ts. test/property/pacer-*.ts proves it on simulated paths. Pure.
import { ackAfterBytes, ackAfterMs, messageTargetMs, tlsRecordBytes } from "../wire/limits.ts";
import { RoundTrips } from "./pacer-probe.ts";
import { RateMemory, type RoundSample } from "./pacer-rate.ts";
import { roundMsMin, Rounds } from "./pacer-rounds.ts";
import { Startup } from "./pacer-startup.ts";
import type { Pacer } from "./pacer-type.ts";

/** Slightly above what the path delivers: a path that became faster is found within a few rounds. */
const gain = 1.1;
/** Nothing on the wire is smaller: the heads of frame, message and TLS record would weigh too much. */
const frameBytesMin = 1_024;
/** Ceiling of the cap, whatever a peer acknowledges: what our process may have to hold for the socket. */
const capOctetsMax = 16_777_216;
/** A message is this part of a round trip, at most `messageTargetMs` and at least so many ms: on a short path 20 ms would be most of what others wait for. */
const messageRoundTrips = 1 / 16;
const messageMsMin = 4;
/**
 * What the event loops of both ends need on a path that is shorter than their turns (ms). With 10 the queue of one bulk on loopback was 2.8 MB, and a small request
 * beside it took 32 times as long as alone; with 2, and messages of one TLS record, 8 times, and the bulk is no slower (`bench fair`, medians).
 */
const slackMs = 2;
/** While the cap is doubled, so much more than the rate explains must be under way for a round without gain to mean a path that has no more to give. */
const startupPart = 1.25;
/** A round trip of this many least ones means a queue, and that the path was busy, unless this part of what it holds is all that we had under way. */
const lateRoundTrips = 1.5;
const latePart = 1 / 4;
/** A round is over after so many least round trips, though its mark is still in the queue of a path that became slower: for seconds, maybe. */
const longRoundTrips = 4;
/** Spread over a round trip, the cap grows in steps of this (ms). */
const rampStepMs = 2;

/** Octets whose ACK tells a round trip and ends a round. */
interface Mark {
  readonly endOctets: number;
  readonly sentMs: number;
  /** Nothing waited in the socket: its time is the path's, not our own queue's. */
  readonly isClean: boolean;
  readonly isProbe: boolean;
}

/** The bound rises from `octets` to the cap. */
interface Ramp {
  readonly fromMs: number;
  readonly octets: number;
  readonly ms: number;
}

export class RatePacer implements Pacer {
  #sent = 0;
  #acked = 0;
  #mark: Mark | null = null;
  #ramp: Ramp = { fromMs: -Infinity, octets: 0, ms: 0 };
  #lastSentMs = -Infinity;
  /** At the first octets of the latest turn: those that follow wait behind them and not behind the path. */
  #socketWasEmpty = true;
  readonly #rounds = new Rounds();
  readonly #rates = new RateMemory();
  readonly #startup = new Startup();
  readonly #trips: RoundTrips;

  constructor(nowMs: number) {
    this.#trips = new RoundTrips(nowMs);
  }

  get capOctets(): number {
    const steady = gain * this.#productOctets + this.messageOctetsMax() + this.#ackOctets / 2;
    const cap = this.#startup.isOver ? steady : Math.max(this.#startup.capOctets, steady);
    return Math.min(capOctetsMax, Math.max(2 * frameBytesMin, cap));
  }

  get rateBytesPerS(): number {
    return this.#rates.best;
  }

  get minRoundTripMs(): number {
    return this.#trips.leastMs;
  }

  get roundTripMs(): number {
    return this.#trips.smoothMs;
  }

  get #inFlight(): number {
    return this.#sent - this.#acked;
  }

  get #tripMs(): number {
    return Math.max(this.#trips.leastMs, roundMsMin);
  }

  /** Octets that the path itself holds, those included whose ACK is not due yet. */
  get #productOctets(): number {
    const octetsPerMs = this.#rates.best / 1_000;
    return Math.max(octetsPerMs * this.#trips.leastMs, octetsPerMs * slackMs + this.#ackOctets);
  }

  /** Octets that have arrived and wait for their ACK, at most. */
  get #ackOctets(): number {
    return Math.min(ackAfterBytes, (this.#rates.best / 1_000) * ackAfterMs);
  }

  allowance(nowMs: number): number {
    const room = Math.floor(this.#bound(nowMs)) - this.#inFlight;
    if (this.#inFlight === 0) return Math.max(room, this.frameOctetsMax());
    return room < frameBytesMin ? 0 : room;
  }

  /** What may be in flight now: the cap, unless it is being spread or the round trip is being measured. */
  #bound(nowMs: number): number {
    const cap = this.capOctets;
    if (this.#trips.isHeld) return Math.min(cap, this.#probeOctets(this.#rounds.rate(this.#acked, nowMs)));
    const { fromMs, octets, ms } = this.#ramp;
    return nowMs - fromMs >= ms ? cap : Math.min(cap, octets + ((cap - octets) * (nowMs - fromMs)) / ms);
  }

  /** Half of what the path holds, by its latest rate and by what it delivers now: so little shows its round trip without a queue. */
  #probeOctets(rateNow: number): number {
    return Math.max(2 * frameBytesMin, (Math.min(this.#rates.latest, rateNow) / 2_000) * this.#tripMs);
  }

  sent(octets: number, nowMs: number, socketWasEmpty: boolean): void {
    const wasEmpty = this.#inFlight === 0;
    // After idle the old cap holds, spread over one round trip: the path's queue is empty, and a burst would fill it at once.
    if (wasEmpty && nowMs - this.#lastSentMs > this.#trips.smoothMs && this.#trips.leastMs >= roundMsMin) this.#spread(2 * this.frameOctetsMax(), nowMs);
    if (nowMs > this.#lastSentMs) this.#socketWasEmpty = socketWasEmpty;
    this.#lastSentMs = nowMs;
    this.#sent += octets;
    this.#rounds.sent(this.#acked, wasEmpty, this.#trips.leastMs, nowMs);
    if (this.#mark !== null) return;
    const isProbe = this.#trips.isDraining && socketWasEmpty;
    this.#mark = { endOctets: this.#sent, sentMs: nowMs, isClean: socketWasEmpty, isProbe };
    if (!isProbe) return;
    this.#trips.left(this.#rates.isInDoubt, this.#rounds.rate(this.#acked, nowMs));
    this.#spread(this.#inFlight, nowMs);
  }

  #spread(octets: number, nowMs: number): void {
    this.#ramp = { fromMs: nowMs, octets: Math.max(octets, 2 * frameBytesMin), ms: this.#tripMs };
  }

  acked(totalOctets: number, nowMs: number): void {
    this.#startup.acked(totalOctets - this.#acked, this.#inFlight, this.#productOctets);
    this.#acked = totalOctets;
    this.#rounds.acked(nowMs);
    const mark = this.#mark;
    if (mark === null) return;
    const ms = nowMs - mark.sentMs;
    if (totalOctets >= mark.endOctets) {
      this.#mark = null;
      if (mark.isProbe) return this.#probed(ms, nowMs);
      this.#trips.learn(ms, mark.isClean, nowMs);
    } else if (this.#rounds.age(nowMs) < longRoundTrips * this.#tripMs) return;
    // What drains for a probe is no round of its own: the probe judges it.
    if (!this.#trips.isProbing) this.#endRound(ms, nowMs);
  }

  #probed(ms: number, nowMs: number): void {
    const octets = this.#bound(nowMs);
    const rateBefore = this.#rates.best;
    if (this.#trips.came(ms, nowMs) && this.#rates.settle(this.#tripMs, this.#trips.drainedRate) === "longer") {
      // What was delivered before may be delivered again, if so much more is under way; doubling finds it without a flood if not.
      this.#startup.again(this.capOctets, this.#rates.best, gain * (rateBefore / 1_000) * this.#tripMs);
    }
    if (this.capOctets > octets) this.#spread(octets, nowMs);
    this.#nextRound(nowMs);
  }

  #nextRound(nowMs: number): void {
    if (this.#inFlight > 0) this.#rounds.begin(this.#acked, nowMs);
    else this.#rounds.close();
  }

  #endRound(roundTripMs: number, nowMs: number): void {
    const round = this.#rounds.end(this.#acked, this.#rates.best, nowMs);
    if (round === null) return;
    const isHeldBack = this.#rounds.startMs < this.#ramp.fromMs + this.#ramp.ms;
    const isLate = roundTripMs > lateRoundTrips * this.#tripMs && this.#inFlight > latePart * this.#productOctets;
    this.#nextRound(nowMs);
    this.#judge({ ...round, roundTripMs, isBusy: round.isBusy && !isHeldBack, isLate: isLate && !isHeldBack }, nowMs);
  }

  #judge(round: RoundSample, nowMs: number): void {
    this.#rates.learn(round);
    if (!this.#startup.isOver) {
      if (round.isBusy) this.#startup.judge(round.rate, round.roundTripMs / this.#tripMs);
    } else if (this.#rates.isRising) this.#startup.again(this.capOctets, this.#rates.best, Infinity);
    else if (round.isBusy || round.isLate || this.#inFlight > this.#probeOctets(round.rate)) this.#trips.mayProbe(this.#rates, nowMs);
  }

  idle(_reason: "nothing-to-send" | "no-credit", nowMs: number): void {
    const needed = this.#startup.isOver ? this.#productOctets : Math.min(this.capOctets, startupPart * this.#productOctets);
    if (this.#socketWasEmpty && this.#inFlight < needed) this.#rounds.idle(nowMs);
  }

  frameOctetsMax(): number {
    return Math.max(frameBytesMin, Math.min(Math.floor(this.capOctets / 4), this.messageOctetsMax()));
  }

  messageOctetsMax(): number {
    if (this.#trips.isDraining) return frameBytesMin; // its own length would count as round trip
    const ms = Math.min(messageTargetMs, Math.max(messageMsMin, this.#trips.leastMs * messageRoundTrips));
    return Math.max(frameBytesMin, Math.min(tlsRecordBytes, Math.floor((this.#rates.best / 1_000) * ms)));
  }

  nextWakeMs(nowMs: number): number {
    return nowMs < this.#ramp.fromMs + this.#ramp.ms && !this.#trips.isHeld ? nowMs + rampStepMs : Infinity;
  }
}
