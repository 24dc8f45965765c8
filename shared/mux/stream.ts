// One stream inside the mux: its state table, its queue of octets that wait to leave, its two windows. Passive: the mux decides when. Pure.
import { Fault } from "../kit/errors.ts";
import { ReceiveWindow, SendWindow, type GrowthBudget } from "./credit.ts";
import type { Member } from "./scheduler.ts";

export type StreamState = "open" | "localDone" | "remoteDone" | "closed";
export type StreamEvent = "sendFin" | "receiveFin" | "reset";

/** Half-close per direction; what is missing is a Fault and changes nothing. */
export const STREAM_TABLE: Readonly<Record<StreamState, Partial<Record<StreamEvent, StreamState>>>> = {
  open: { sendFin: "localDone", receiveFin: "remoteDone", reset: "closed" },
  localDone: { receiveFin: "closed", reset: "closed" },
  remoteDone: { sendFin: "closed", reset: "closed" },
  closed: {},
};

const NOTHING = new Uint8Array(0);

/** A stream counts as interactive until it has sent this many octets without a pause. */
const burstOctetsInteractive = 131_072;
const burstOctetsSmall = 32_768;
/** A pause (ms) after which a stream is small again: a keystroke after a screenful. */
const burstPauseMs = 100;

export class MuxStream implements Member {
  readonly id: number;
  readonly isInteractive: boolean;
  readonly out: SendWindow;
  readonly in: ReceiveWindow;
  state: StreamState = "open";
  /** OPEN or HEAD record that has not left yet, and how much of it has. */
  record: Uint8Array | null = null;
  recordSent = 0;
  /** Parts of the peer's record until it is whole; null once it is. */
  headParts: Uint8Array[] | null = [];
  headOctets = 0;
  hasResponded = false;
  wantsFin = false;
  wantsWritable = false;
  /** The peer asked us to end our direction: what is written from here on is dropped. */
  isStopped = false;
  creditIsDue = false;
  /** LIVE frames in a row that did not name this stream. */
  missedLives = 0;
  /** Waits in the list of streams whose head or end may leave without allowance. */
  isBare = false;
  // --- scheduler
  next: Member | null = null;
  isQueued = false;
  readonly quantum = 0;
  // --- queue
  #chunks: Uint8Array[] = [];
  #first = 0;
  #firstSent = 0;
  queuedOctets = 0;
  #burst = 0;
  #lastSentMs = -Infinity;

  constructor(id: number, isInteractive: boolean, credit: { peerStart: number; ownStart: number; budget: GrowthBudget }) {
    this.id = id;
    this.isInteractive = isInteractive;
    this.out = new SendWindow(credit.peerStart);
    this.in = new ReceiveWindow(credit.ownStart, credit.budget);
  }

  move(event: StreamEvent): StreamState {
    const to = STREAM_TABLE[this.state][event];
    if (to === undefined) throw new Fault("FRAME_MISPLACED", { what: `stream ${this.id} cannot take ${event}`, why: `it is ${this.state}` });
    this.state = to;
    return to;
  }

  push(chunk: Uint8Array, nowMs: number): void {
    // Only a pause of its own makes a stream small again: one that waited for its turn is still bulk.
    if (this.queuedOctets === 0 && nowMs - this.#lastSentMs > burstPauseMs) this.#burst = 0;
    this.#chunks.push(chunk);
    this.queuedOctets += chunk.length;
  }

  /** Puts views of the first `octets` octets of the queue into `out`: small chunks share a frame, so that a turn is worth the same to every stream. */
  shiftInto(out: Uint8Array[], octets: number): void {
    out.length = 0;
    for (let left = octets; left > 0; ) {
      const part = this.#shift(left);
      out.push(part);
      left -= part.length;
    }
  }

  #shift(octets: number): Uint8Array {
    const chunk = this.#chunks[this.#first]!;
    const part = this.#firstSent === 0 && chunk.length <= octets ? chunk : chunk.subarray(this.#firstSent, Math.min(chunk.length, this.#firstSent + octets));
    this.#firstSent += part.length;
    this.queuedOctets -= part.length;
    if (this.#firstSent === chunk.length) {
      // A queue that never empties must not keep alive what has left it: a stalled reader would hold 64 chunks, 4 MiB.
      this.#chunks[this.#first] = NOTHING;
      this.#first += 1;
      this.#firstSent = 0;
      if (this.#first === this.#chunks.length) {
        this.#chunks = [];
        this.#first = 0;
      } else if (this.#first > 64) {
        this.#chunks = this.#chunks.slice(this.#first);
        this.#first = 0;
      }
    }
    return part;
  }

  /** Nobody reads what waits to leave. */
  dropQueue(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#firstSent = 0;
    this.queuedOctets = 0;
  }

  drop(): void {
    this.dropQueue();
    this.record = null;
    this.in.release();
  }

  /** A head or an end is all that waits: it needs no credit and no allowance. */
  get hasBareWork(): boolean {
    return this.record !== null || (this.queuedOctets === 0 && this.wantsFin);
  }

  /** Octets of the body could leave if the link had room. */
  get hasBody(): boolean {
    return this.queuedOctets > 0 && this.out.available > 0;
  }

  /** Small and occasional goes ahead of bulk, whatever it was announced as; an upload through exec is bulk after its first octets. */
  get goesFirst(): boolean {
    return this.#burst < (this.isInteractive ? burstOctetsInteractive : burstOctetsSmall);
  }

  sentBody(octets: number, nowMs: number): void {
    this.out.use(octets);
    this.#burst += octets;
    this.#lastSentMs = nowMs;
  }
}
