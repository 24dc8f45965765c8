// One direction of a simulated path, in virtual time: what a sender hands over waits in its socket (in the kernel as far as that takes it, the rest is
// seen as `bufferedOctets`), leaves at the rate of the bottleneck, and arrives whole and in order after the delay. Nothing is lost: TCP is under the link,
// so a path that is too slow shows as a queue. Rate and delay may change and the path may stall. Deterministic from its seed. Used by wan-sim.ts.
import type { Random } from "../../shared/kit/random.ts";

export interface WayShape {
  /** Octets per second. */
  readonly rate: number;
  /** One way (ms). */
  readonly delayMs: number;
  /** A message comes up to this much (ms) later than the delay says. */
  readonly jitterMs?: number;
  /** Share of the time in which nothing leaves, in pieces of `stallMs`. */
  readonly stallShare?: number;
  readonly stallMs?: number;
  /** TCP begins with ten segments, doubles per round trip, and begins anew after a pause. */
  readonly slowStart?: boolean;
}

interface Piece {
  readonly message: Uint8Array;
  /** Octets handed over up to its end. */
  readonly endOctets: number;
  arriveMs: number;
}

/** What a kernel takes without saying that it is full: Linux grows a send buffer about this far. */
const kernelOctetsMax = 2_000_000;
/** Of octets, in sums of small numbers to great ones. */
const rounding = 1e-3;
const tcpStartOctets = 14_480;
/** TCP begins anew after a pause of this and a round trip (ms). */
const tcpPauseMs = 200;

export class WanWay {
  /** Octets that were handed over, have left the bottleneck, and have arrived. */
  handed = 0;
  left = 0;
  arrived = 0;
  #shape: WayShape;
  readonly #random: Random;
  readonly #waiting: Piece[] = [];
  readonly #travelling: Piece[] = [];
  readonly #unconfirmed: { freeMs: number; octets: number }[] = [];
  #unconfirmedOctets = 0;
  #nowMs: number;
  #lastArriveMs = 0;
  #stallsMs = { from: Infinity, to: Infinity };
  #tcpOctets = tcpStartOctets;
  #lastLeftMs = -Infinity;

  constructor(shape: WayShape, random: Random, nowMs: number) {
    this.#shape = shape;
    this.#random = random;
    this.#nowMs = nowMs;
    this.#drawStall(nowMs);
  }

  get shape(): WayShape {
    return this.#shape;
  }

  /** From now on the path is like this. */
  change(shape: Partial<WayShape>, nowMs: number): void {
    this.advance(nowMs);
    this.#shape = { ...this.#shape, ...shape };
    this.#drawStall(nowMs);
  }

  #drawStall(nowMs: number): void {
    const { stallShare = 0, stallMs = 200 } = this.#shape;
    if (stallShare === 0) this.#stallsMs = { from: Infinity, to: Infinity };
    else {
      const from = nowMs - Math.log(1 - this.#random()) * stallMs * (1 / stallShare - 1);
      this.#stallsMs = { from, to: from + stallMs };
    }
  }

  hand(message: Uint8Array, nowMs: number): void {
    this.advance(nowMs);
    if (this.#shape.slowStart && this.queuedOctets === 0 && nowMs - this.#lastLeftMs > tcpPauseMs + 2 * this.#shape.delayMs) this.#tcpOctets = tcpStartOctets;
    this.handed += message.length;
    this.#unconfirmedOctets += message.length;
    this.#waiting.push({ message, endOctets: this.handed, arriveMs: Infinity });
  }

  /** Octets that the kernel did not take: what `bufferedAmount` says. */
  get bufferedOctets(): number {
    return Math.max(0, this.#unconfirmedOctets - kernelOctetsMax);
  }

  /** Octets outside the mux that have not left the bottleneck: whoever comes now waits for all of them. */
  get queuedOctets(): number {
    return this.handed - this.left;
  }

  /** Octets per ms at this moment, stalls aside. */
  get #pace(): number {
    const { rate, slowStart, delayMs } = this.#shape;
    return slowStart ? Math.min(rate / 1_000, this.#tcpOctets / Math.max(1, 2 * delayMs)) : rate / 1_000;
  }

  /** Moves octets through the bottleneck up to `nowMs`. */
  advance(nowMs: number): void {
    while (this.#nowMs < nowMs) {
      const untilMs = Math.min(nowMs, this.#nowMs < this.#stallsMs.from ? this.#stallsMs.from : this.#stallsMs.to);
      if (this.#nowMs < this.#stallsMs.from) this.#leave(untilMs);
      this.#nowMs = untilMs;
      if (untilMs >= this.#stallsMs.to) this.#drawStall(untilMs);
    }
    while (this.#unconfirmed[0] !== undefined && this.#unconfirmed[0].freeMs <= nowMs) {
      const { octets } = this.#unconfirmed.shift()!;
      this.#unconfirmedOctets -= octets;
      this.#tcpOctets += octets;
    }
  }

  #leave(untilMs: number): void {
    const pace = this.#pace;
    const most = this.left + pace * (untilMs - this.#nowMs);
    for (let piece = this.#waiting[0]; piece !== undefined && piece.endOctets <= most + rounding; piece = this.#waiting[0]) {
      const leftMs = Math.min(untilMs, this.#nowMs + Math.max(0, piece.endOctets - this.left) / pace);
      this.#waiting.shift();
      this.#lastLeftMs = leftMs;
      piece.arriveMs = Math.max(this.#lastArriveMs, leftMs + this.#shape.delayMs + (this.#shape.jitterMs ?? 0) * this.#random());
      this.#lastArriveMs = piece.arriveMs;
      this.#travelling.push(piece);
      this.#unconfirmed.push({ freeMs: piece.arriveMs + this.#shape.delayMs, octets: piece.message.length });
    }
    this.left = Math.min(most, this.handed);
  }

  /** The next message that has arrived, or null. */
  take(nowMs: number): Uint8Array | null {
    const first = this.#travelling[0];
    if (first === undefined || first.arriveMs > nowMs) return null;
    this.#travelling.shift();
    this.arrived += first.message.length;
    return first.message;
  }

  /** When something happens by itself next: a departure, an arrival, the end of a stall, room in the kernel. */
  nextMs(): number {
    const due = [this.#travelling[0]?.arriveMs ?? Infinity];
    if (this.#waiting[0] !== undefined) {
      const isStalled = this.#nowMs >= this.#stallsMs.from;
      due.push(isStalled ? this.#stallsMs.to : Math.min(this.#stallsMs.from, this.#nowMs + Math.max(0, this.#waiting[0].endOctets - this.left) / this.#pace));
    }
    if (this.#unconfirmed[0] !== undefined && (this.bufferedOctets > 0 || this.#shape.slowStart)) due.push(this.#unconfirmed[0].freeMs);
    return Math.min(...due);
  }
}
