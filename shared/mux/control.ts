// What the mux has to say about itself, as state and not as a queue: at most one PONG, one ACK, one CREDIT and one STOP per stream, one RESET
// per stream that ended. So a peer that never reads cannot make it grow. Encoded only when a message is built. Pure.
import type { CodeName } from "../wire/codes.ts";
import { encodeBye, encodeLive, encodeNumbers, encodeReceipt, encodeReset, type Bye, type Live } from "../wire/message.ts";
import { codeNumber } from "../wire/codes.ts";
import { FRAME_TYPES } from "../wire/frame.ts";
import type { LettersIn } from "./letters.ts";
import type { MuxStream } from "./stream.ts";

/** Adds a frame to the message; false once the message is long enough that the rest should wait for the next. */
export type Emit = (type: number, stream: number, payload: Uint8Array) => boolean;

export class Control {
  bye: Bye | null = null;
  ping: number | null = null;
  pong: number | null = null;
  live: Live | null = null;
  held: Uint8Array | null = null;
  /** Total of decoded BODY and LETTER octets, and what of it the peer was told. */
  decodedOctets = 0;
  ackedOctets = 0;
  readonly credits = new Set<MuxStream>();
  readonly stops = new Map<number, CodeName>();
  readonly resets = new Map<number, { code: CodeName; reason: string }>();

  /** Something is due that may not wait for other traffic. */
  isDue(letters: LettersIn): boolean {
    return (
      this.bye !== null ||
      this.ping !== null ||
      this.pong !== null ||
      this.live !== null ||
      this.held !== null ||
      this.credits.size > 0 ||
      this.stops.size > 0 ||
      this.resets.size > 0 ||
      letters.isReceiptDue ||
      letters.isGrantDue
    );
  }

  get unackedOctets(): number {
    return this.decodedOctets - this.ackedOctets;
  }

  emitAck(emit: Emit): void {
    if (this.unackedOctets === 0) return;
    this.ackedOctets = this.decodedOctets;
    emit(FRAME_TYPES.ACK, 0, encodeNumbers(this.ackedOctets));
  }

  /** Everything that is due, in the order of its urgency; BYE last, for nothing of the link follows it but streams. */
  emit(emit: Emit, letters: LettersIn, wallMs: () => number): void {
    this.emitAck(emit);
    if (this.pong !== null) emit(FRAME_TYPES.PONG, 0, encodeNumbers(this.pong, Math.max(0, Math.floor(wallMs()))));
    if (this.ping !== null) emit(FRAME_TYPES.PING, 0, encodeNumbers(this.ping));
    if (this.held !== null) emit(FRAME_TYPES.HELD, 0, this.held);
    if (letters.isReceiptDue) emit(FRAME_TYPES.RECEIPT, 0, encodeReceipt(letters.takeReceipt()));
    if (letters.isGrantDue) {
      letters.isGrantDue = false;
      emit(FRAME_TYPES.LETTERCREDIT, 0, encodeNumbers(letters.granted.letters, letters.granted.octets));
    }
    if (this.live !== null) emit(FRAME_TYPES.LIVE, 0, encodeLive(this.live));
    this.pong = this.ping = this.held = this.live = null;
    if (!this.#emitForStreams(emit)) return;
    if (this.bye !== null) emit(FRAME_TYPES.BYE, 0, encodeBye(this.bye));
    this.bye = null;
  }

  /** True when all of it fitted. */
  #emitForStreams(emit: Emit): boolean {
    for (const [id, { code, reason }] of this.resets) {
      this.resets.delete(id);
      if (!emit(FRAME_TYPES.RESET, id, encodeReset(code, reason))) return false;
    }
    for (const [id, code] of this.stops) {
      this.stops.delete(id);
      if (!emit(FRAME_TYPES.STOP, id, encodeNumbers(codeNumber(code)))) return false;
    }
    for (const stream of this.credits) {
      this.credits.delete(stream);
      stream.creditIsDue = false;
      if (!emit(FRAME_TYPES.CREDIT, stream.id, encodeNumbers(stream.in.grant()))) return false;
    }
    return true;
  }
}
