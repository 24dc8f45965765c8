// One direction of a line, shared by all its flows: entry in turns while the queue has room, departure at the line's pace, arrival after its delay. The clock is the
// process's own; nothing is late by more than a timer's millisecond, because departures are reckoned and not timed. Used by chaos-line.ts.
import type { Socket } from "node:net";
import { seededRandom, type Random } from "../../shared/kit/random.ts";
import type { FreezeKind, LineSettings } from "./chaos-line.ts";

/** What leaves at once: a millisecond of the line, and never less than a segment. */
const segmentOctets = 1_448;
/** Octets that may wait in our own socket towards a reader that does not read, before its flow stands still. */
const readerOctetsMax = 65_536;
/** Octets under way on a line without a pace, which has no queue to bound them. */
const underWayOctetsMax = 67_108_864;

/** One direction of one TCP flow. */
interface Flow {
  readonly from: Socket;
  readonly to: Socket;
  waiting: Buffer[];
  hasEnded: boolean;
  isQueued: boolean;
  lastArriveMs: number;
  nextStallMs: number;
  heldUntilMs: number;
}

interface Piece {
  readonly flow: Flow;
  /** Null: the sender ended its direction. */
  readonly octets: Buffer | null;
  readonly arriveMs: number;
}

export class ChaosWay {
  octetsOut = 0;
  readonly #random: Random;
  readonly #flows = new Set<Flow>();
  #settings: LineSettings;
  #freeze: FreezeKind | null = null;
  #turns: Flow[] = [];
  #underWay: Piece[] = [];
  #underWayOctets = 0;
  /** When the last octet that was let in leaves the queue. */
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #timerAtMs = Infinity;

  constructor(settings: LineSettings, seed: number) {
    this.#settings = settings;
    this.#random = seededRandom(seed);
  }

  add(from: Socket, to: Socket): void {
    const flow: Flow = { from, to, waiting: [], hasEnded: false, isQueued: false, lastArriveMs: 0, nextStallMs: performance.now() + this.#untilStall(), heldUntilMs: 0 };
    this.#flows.add(flow);
    from.on("data", (octets: Buffer) => {
      if (this.#freeze === "swallow") return;
      flow.waiting.push(octets);
      from.pause();
      this.#enqueue(flow);
    });
    from.on("end", () => {
      if (this.#freeze === "swallow") return;
      flow.hasEnded = true;
      this.#enqueue(flow);
    });
    to.on("drain", () => this.#enqueue(flow));
    from.on("close", () => {
      if (to.destroyed) this.#flows.delete(flow);
    });
    to.on("close", () => {
      if (from.destroyed) this.#flows.delete(flow);
    });
  }

  set(settings: LineSettings): void {
    this.#settings = settings;
    for (const flow of this.#flows) flow.nextStallMs = performance.now() + this.#untilStall();
    this.#run();
  }

  halt(kind: FreezeKind): void {
    this.#freeze = kind;
    if (kind === "hold") return;
    this.#underWay = [];
    this.#underWayOctets = 0;
    this.#turns = [];
    for (const flow of this.#flows) {
      flow.waiting = [];
      flow.isQueued = false;
      flow.from.resume();
    }
  }

  heal(): void {
    this.#freeze = null;
    this.#run();
  }

  #enqueue(flow: Flow): void {
    if (!flow.isQueued && (flow.waiting.length > 0 || flow.hasEnded)) {
      flow.isQueued = true;
      this.#turns.push(flow);
    }
    this.#run();
  }

  /** Exponential, so that stalls do not beat with anything. */
  #untilStall(): number {
    const { stallShare, stallMs } = this.#settings;
    return stallShare === 0 ? Infinity : -Math.log(1 - this.#random()) * (stallMs / stallShare);
  }

  /** Lets out what has arrived and in what there is room for, and sleeps until the next of either. */
  #run(): void {
    if (this.#freeze !== null) return;
    const now = performance.now();
    this.#letOut(now);
    this.#letIn(now);
    const arrival = this.#underWay[0]?.arriveMs ?? Infinity;
    const room = this.#turns.length > 0 && this.#underWayOctets < underWayOctetsMax ? now + this.#waitForRoomMs(now) : Infinity;
    this.#sleepUntil(Math.min(arrival, room), now);
  }

  #waitForRoomMs(now: number): number {
    const { octetsPerS, queueOctets } = this.#settings;
    return octetsPerS === 0 ? 0 : Math.max(0, this.#freeAtMs - now - (queueOctets / octetsPerS) * 1_000);
  }

  #letIn(now: number): void {
    while (this.#turns.length > 0 && this.#underWayOctets < underWayOctetsMax && this.#waitForRoomMs(now) === 0) {
      const flow = this.#turns.shift()!;
      flow.isQueued = false;
      // A reader that does not read has closed its window: its flow comes back with `drain`.
      if (flow.to.writableLength > readerOctetsMax) continue;
      this.#put(this.#piece(flow, this.#take(flow), now));
      if (flow.waiting.length === 0) flow.from.resume();
      if (flow.waiting.length > 0 || flow.hasEnded) {
        flow.isQueued = true;
        this.#turns.push(flow);
      }
    }
  }

  /** The next octets of a flow; null for its end. */
  #take(flow: Flow): Buffer | null {
    const { octetsPerS, sliceOctets } = this.#settings;
    const first = flow.waiting[0];
    if (first === undefined) {
      flow.hasEnded = false;
      return null;
    }
    const pace = octetsPerS === 0 ? first.length : Math.max(segmentOctets, Math.floor(octetsPerS / 1_000));
    const most = sliceOctets === 0 ? pace : Math.min(pace, 1 + Math.floor(this.#random() * sliceOctets));
    if (first.length <= most) return flow.waiting.shift()!;
    flow.waiting[0] = first.subarray(most);
    return first.subarray(0, most);
  }

  #piece(flow: Flow, octets: Buffer | null, now: number): Piece {
    const { octetsPerS, delayMs, stallMs } = this.#settings;
    this.#freeAtMs = Math.max(this.#freeAtMs, now) + (octetsPerS === 0 || octets === null ? 0 : (octets.length / octetsPerS) * 1_000);
    let arriveMs = this.#freeAtMs + delayMs;
    while (arriveMs >= flow.nextStallMs) {
      flow.heldUntilMs = flow.nextStallMs + stallMs;
      flow.nextStallMs = flow.heldUntilMs + this.#untilStall();
    }
    arriveMs = Math.max(arriveMs, flow.heldUntilMs, flow.lastArriveMs);
    flow.lastArriveMs = arriveMs;
    return { flow, octets, arriveMs };
  }

  /** In the order of arrival; only stalls make it another than that of departure, so the search is short. */
  #put(piece: Piece): void {
    const list = this.#underWay;
    let at = list.length;
    while (at > 0 && list[at - 1]!.arriveMs > piece.arriveMs) at -= 1;
    list.splice(at, 0, piece);
    this.#underWayOctets += piece.octets?.length ?? 0;
  }

  #letOut(now: number): void {
    let count = 0;
    for (const { flow, octets, arriveMs } of this.#underWay) {
      if (arriveMs > now) break;
      count += 1;
      if (octets === null) flow.to.end();
      else {
        this.#underWayOctets -= octets.length;
        if (flow.to.destroyed || flow.to.writableEnded) continue;
        flow.to.write(octets);
        this.octetsOut += octets.length;
      }
    }
    if (count > 0) this.#underWay.splice(0, count);
  }

  #sleepUntil(atMs: number, now: number): void {
    if (atMs === Infinity || (this.#timer !== null && this.#timerAtMs <= atMs)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#run();
    }, Math.max(0, atMs - now));
  }
}
