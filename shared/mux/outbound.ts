// The sending half of the mux: fills one message after the other. Control first, then new streams' heads, then whoever's turn it is, within the
// allowance of the pacer and the credit of each stream. Decides nothing about time and holds no octets of its own. Pure; receiving is in inbound.ts.
import { FRAME_TYPES, frameHeadSize, MORE } from "../wire/frame.ts";
import { ackAfterBytes, frameBytesMax, messageBytesTarget, streamQueueHighBytes } from "../wire/limits.ts";
import { encodeLetterHead } from "../wire/message.ts";
import { LetterLane } from "./letters.ts";
import { FIN_PAYLOAD, MessageBuilder } from "./message-builder.ts";
import type { Mux } from "./mux.ts";
import type { MuxStream } from "./stream.ts";

/** A frame smaller than this is not worth its head when more could leave a moment later. More would leave a narrow path unused (test/property/pacer-change). */
const frameWorthBytes = 256;
/** Octets of the heads in front of a letter's chunk, at most: the frame's 9, and three numbers of 8. */
const letterHeadsBytesMax = 33;

export class Outbound {
  readonly #mux: Mux;
  readonly #builder: MessageBuilder;
  /** Relay: streams whose OPEN record has not left whole, in the order of their ids. */
  readonly #opens: MuxStream[] = [];
  readonly #bare: MuxStream[] = [];
  /** The chunks of the frame that is being filled. */
  readonly #run: Uint8Array[] = [];
  #lacksCredit = false;

  constructor(mux: Mux) {
    this.#mux = mux;
    this.#builder = new MessageBuilder(messageBytesTarget[mux.role]);
  }

  queueOpen(stream: MuxStream): void {
    this.#opens.push(stream);
  }

  withdrawOpen(stream: MuxStream): void {
    const at = this.#opens.indexOf(stream);
    if (at !== -1) this.#opens.splice(at, 1);
  }

  /** Streams whose OPEN has not left whole; they are no longer waiting to be sent. */
  takeOpens(): MuxStream[] {
    return this.#opens.splice(0);
  }

  /** The next message, or null when nothing may leave now. `isAckDue`: an ACK may not wait for other traffic any longer. */
  nextMessage(nowMs: number, socketBufferedOctets: number, isAckDue: boolean): Uint8Array | null {
    const mux = this.#mux;
    const { control } = mux;
    const builder = this.#builder;
    if (control.isDue(mux.lettersIn)) control.emit(builder.add, mux.lettersIn, mux.settings.wallMs);
    if (!mux.hasFailed) this.#fill(nowMs, socketBufferedOctets);
    if (!builder.isEmpty || isAckDue || control.unackedOctets >= ackAfterBytes) control.emitAck(builder.add);
    if (builder.isEmpty) return null;
    return builder.build(mux.settings.allocate);
  }

  #fill(nowMs: number, socketBufferedOctets: number): void {
    this.#fillOpens();
    this.#fillBare();
    const mux = this.#mux;
    const { scheduler } = mux;
    const { pacer } = mux.settings;
    const target = pacer.messageOctetsMax();
    let allowance = pacer.allowance(nowMs);
    while (this.#builder.octets < target && scheduler.waiting > 0) {
      const { room } = this.#builder;
      if (allowance <= 0 || room < frameWorthBytes) return;
      const frameTarget = pacer.frameOctetsMax();
      const frameMax = Math.min(room, frameTarget, allowance);
      const member = scheduler.pick(frameTarget)!;
      const octets = member instanceof LetterLane ? this.#fillLetter(member, frameMax) : this.#fillBody(member as MuxStream, frameMax, nowMs);
      if (octets === 0) continue;
      allowance -= octets;
      mux.sentOctets += octets;
      pacer.sent(octets, nowMs, socketBufferedOctets === 0);
      if (allowance < frameWorthBytes) return;
    }
    if (allowance > 0 && scheduler.waiting === 0) pacer.idle(this.#lacksCredit ? "no-credit" : "nothing-to-send", nowMs);
  }

  #fillOpens(): void {
    const mux = this.#mux;
    while (this.#opens.length > 0 && !mux.hasSaidBye && this.#builder.room > 0) {
      const stream = this.#opens[0]!;
      mux.greatestId = stream.id;
      if (!this.#fillRecord(stream, FRAME_TYPES.OPEN)) return;
      this.#opens.shift();
      mux.wake(stream);
    }
  }

  /** Heads and ends: they need no credit and no allowance, and a small answer's end must not wait behind bulk. */
  #fillBare(): void {
    if (this.#bare.length === 0) return;
    const mux = this.#mux;
    let taken = 0;
    for (; taken < this.#bare.length && this.#builder.room > 0; taken += 1) {
      const stream = this.#bare[taken]!;
      stream.isBare = false;
      if (!mux.streams.has(stream.id)) continue;
      if (stream.record === null || this.#fillRecord(stream, FRAME_TYPES.HEAD)) {
        if (stream.queuedOctets === 0 && stream.wantsFin) this.#fillFin(stream);
      }
      mux.wake(stream);
    }
    this.#bare.splice(0, taken);
  }

  /** A stream whose head or end may leave now. */
  queueBare(stream: MuxStream): void {
    if (stream.isBare) return;
    stream.isBare = true;
    this.#bare.push(stream);
  }

  /** Sends an OPEN or HEAD record, in parts when it is long; true when it is out. */
  #fillRecord(stream: MuxStream, type: number): boolean {
    const record = stream.record!;
    for (;;) {
      const part = record.subarray(stream.recordSent, stream.recordSent + frameBytesMax);
      stream.recordSent += part.length;
      const isLast = stream.recordSent === record.length;
      const hasRoom = this.#builder.add(isLast ? type : type | MORE, stream.id, part);
      if (isLast) {
        stream.record = null;
        return true;
      }
      if (!hasRoom) return false;
    }
  }

  /** Octets of BODY that were put into the message, which it fills to its last octet if there are enough. */
  #fillBody(stream: MuxStream, frameMax: number, nowMs: number): number {
    const mux = this.#mux;
    if (!mux.streams.has(stream.id)) return 0;
    const room = this.#builder.room;
    const octets = Math.min(frameMax, room - frameHeadSize(stream.id, room), stream.out.available, stream.queuedOctets);
    if (octets > 0) {
      const asInteractive = stream.goesFirst;
      stream.shiftInto(this.#run, octets);
      stream.sentBody(octets, nowMs);
      this.#builder.addParts(FRAME_TYPES.BODY, stream.id, this.#run, octets);
      this.#mux.scheduler.sent(octets, asInteractive);
      if (stream.wantsWritable && stream.queuedOctets <= streamQueueHighBytes / 2) {
        stream.wantsWritable = false;
        mux.effect({ kind: "writable", id: stream.id });
      }
    }
    this.#lacksCredit = stream.queuedOctets > 0 && stream.out.available === 0;
    if (stream.queuedOctets === 0 && stream.wantsFin) this.#fillFin(stream);
    else mux.wake(stream);
    return octets;
  }

  #fillFin(stream: MuxStream): void {
    stream.wantsFin = false;
    this.#builder.add(FRAME_TYPES.FIN, stream.id, FIN_PAYLOAD);
    if (stream.move("sendFin") === "closed") this.#mux.closeStream(stream);
  }

  #fillLetter(lane: LetterLane, frameMax: number): number {
    const mux = this.#mux;
    const letter = mux.lettersOut.shift(lane, Math.min(frameMax - letterHeadsBytesMax, lane.quantum), mux.sentOctets);
    if (letter === null) return 0;
    const head = encodeLetterHead(letter.number, letter.offset, letter.total);
    this.#builder.addParts(FRAME_TYPES.LETTER, 0, [head, letter.chunk], head.length + letter.chunk.length);
    mux.scheduler.sent(letter.chunk.length, false);
    if (lane.waiting.length > 0) mux.scheduler.wake(lane, lane.name === "control");
    return letter.chunk.length;
  }
}
