// The receiving half of the mux: each frame changes one thing and may leave effects. What breaks a rule of the link throws inside and becomes one
// "fail" effect; what breaks a rule of a stream resets that stream alone. Frames of streams that are over are late, not wrong. Pure.
import { asFault, Fault } from "../kit/errors.ts";
import { malformed } from "../wire/bytes.ts";
import { codeName, type CodeName } from "../wire/codes.ts";
import { FrameCursor } from "../wire/decoder.ts";
import { FRAME_TYPES } from "../wire/frame.ts";
import { copyOf } from "../wire/keepable.ts";
import { headBytesMax, headPartsMax, streamsPerLinkMax } from "../wire/limits.ts";
import { PairsMemo, parseBye, parseHead, parseLetter, parseLive, parseNumbers, parseOpen, parseReceipt, parseReset } from "../wire/message.ts";
import type { Mux } from "./mux.ts";
import type { MuxStream } from "./stream.ts";

/** RESETs of ours that wait to leave: a peer that opens streams faster than it hears them refused is ended. */
const resetsWaitingMax = 2 * streamsPerLinkMax;

export class Inbound {
  readonly #mux: Mux;
  readonly #pairs = new PairsMemo();

  constructor(mux: Mux) {
    this.#mux = mux;
  }

  receive(message: Uint8Array): void {
    try {
      const cursor = new FrameCursor(message);
      while (cursor.next()) {
        if (cursor.stream === 0) this.#linkFrame(cursor);
        else this.#streamFrame(cursor);
      }
    } catch (error) {
      const fault = asFault(error);
      this.#mux.fail(fault, fault.family === "bug" ? "bug" : "protocol");
    }
  }

  #linkFrame(cursor: FrameCursor): void {
    const mux = this.#mux;
    const payload = cursor.payload();
    switch (cursor.type) {
      case FRAME_TYPES.ACK:
        return this.#ack(parseNumbers(payload, 1)[0]!);
      case FRAME_TYPES.PING:
        mux.control.pong = parseNumbers(payload, 1)[0]!;
        return;
      case FRAME_TYPES.PONG: {
        const [mark, peerWallMs] = parseNumbers(payload, 2) as [number, number];
        const ms = mux.keepalive.answered(mark, mux.nowMs);
        return ms === null ? undefined : mux.heardPong(ms, peerWallMs);
      }
      case FRAME_TYPES.LETTER: {
        const letter = parseLetter(payload);
        mux.lettersIn.receive(letter);
        mux.control.decodedOctets += letter.chunk.length;
        return mux.effect({ kind: "letter", ...letter });
      }
      case FRAME_TYPES.RECEIPT:
        for (const settled of mux.lettersOut.settle(parseReceipt(payload, mux.lettersOut.underWay))) mux.effect({ kind: "settled", ...settled });
        return;
      case FRAME_TYPES.LETTERCREDIT: {
        const [letters, octets] = parseNumbers(payload, 2) as [number, number];
        if (mux.lettersOut.raise({ letters, octets })) mux.effect({ kind: "letterRoom" });
        return;
      }
      case FRAME_TYPES.LIVE:
        return this.#live(payload);
      case FRAME_TYPES.HELD:
        if (mux.role !== "relay") throw misplaced("HELD comes from the agent only");
        return mux.effect({ kind: "held", payload });
      case FRAME_TYPES.BYE:
        return this.#bye(payload);
      default:
        throw misplaced("a handshake frame came after the handshake");
    }
  }

  #ack(total: number): void {
    const mux = this.#mux;
    if (total > mux.sentOctets) throw malformed(`ACK covers ${total} octets, ${mux.sentOctets} were sent`);
    if (total < mux.peerAckedOctets) throw malformed("ACK went back");
    mux.peerAckedOctets = total;
    mux.settings.pacer.acked(total, mux.nowMs);
    for (const handle of mux.lettersOut.acked(total)) mux.effect({ kind: "letterAcked", handle });
  }

  #live(payload: Uint8Array): void {
    const mux = this.#mux;
    if (mux.role !== "agent") throw misplaced("LIVE comes from the relay only");
    const live = parseLive(payload);
    const named = new Set(live.openIds);
    for (const stream of mux.streams.values()) {
      if (stream.id > live.greatestId || named.has(stream.id)) stream.missedLives = 0;
      else {
        stream.missedLives += 1;
        if (stream.missedLives >= 2) mux.endStream(stream, "unspecified", "the relay no longer knows this stream", false);
      }
    }
  }

  #bye(payload: Uint8Array): void {
    const mux = this.#mux;
    const bye = parseBye(payload);
    if (mux.hasHeardBye) return;
    mux.hasHeardBye = true;
    mux.dropUnsent();
    if (mux.role === "relay") {
      // The agent never saw these: their owners may open them again elsewhere.
      for (const stream of mux.streams.values()) if (stream.id > bye.greatestId) mux.endStream(stream, "draining", "", false);
    }
    mux.effect({ kind: "bye", bye });
  }

  #streamFrame(cursor: FrameCursor): void {
    const mux = this.#mux;
    const stream = mux.streams.get(cursor.stream);
    if (stream === undefined) return this.#frameOfNoStream(cursor);
    switch (cursor.type) {
      case FRAME_TYPES.BODY:
        return this.#body(stream, cursor);
      case FRAME_TYPES.HEAD:
        return this.#head(stream, cursor);
      case FRAME_TYPES.FIN:
        return this.#fin(stream, cursor);
      case FRAME_TYPES.CREDIT:
        if (stream.out.raise(parseNumbers(cursor.payload(), 1)[0]!)) mux.wake(stream);
        return;
      case FRAME_TYPES.STOP:
        return this.#stop(stream, codeName(parseNumbers(cursor.payload(), 1)[0]!));
      case FRAME_TYPES.RESET: {
        const { code, reason } = parseReset(cursor.payload());
        return mux.endStream(stream, code, reason, false);
      }
      default:
        return this.#openPart(stream, cursor);
    }
  }

  /** What waits for the stopped direction's credit would hold its FIN back for ever: nobody reads it, so it goes. */
  #stop(stream: MuxStream, code: CodeName): void {
    const mux = this.#mux;
    stream.isStopped = true;
    stream.dropQueue();
    mux.effect({ kind: "stop", id: stream.id, code });
    if (stream.wantsWritable) mux.effect({ kind: "writable", id: stream.id });
    stream.wantsWritable = false;
    mux.wake(stream);
  }

  #frameOfNoStream(cursor: FrameCursor): void {
    const mux = this.#mux;
    if (cursor.type === FRAME_TYPES.BODY) mux.control.decodedOctets += cursor.end - cursor.start;
    if (cursor.stream <= mux.greatestId) {
      if (cursor.type === FRAME_TYPES.OPEN && mux.role === "agent" && !cursor.hasMore && !this.#wasRefused) throw misplaced(`stream ${cursor.stream} was opened before`);
      return;
    }
    if (cursor.type !== FRAME_TYPES.OPEN || mux.role !== "agent") {
      throw new Fault("STREAM_UNKNOWN", { what: `a frame names stream ${cursor.stream}`, why: `the greatest that was opened is ${mux.greatestId}` });
    }
    mux.greatestId = cursor.stream;
    if (mux.hasSaidBye) {
      this.#wasRefused = true; // above BYE's id: the relay knows that it was not seen
      return;
    }
    if (mux.control.resets.size >= resetsWaitingMax) throw new Fault("TOO_MANY", { what: "streams are opened faster than their refusals are read" });
    if (mux.streams.size >= streamsPerLinkMax) {
      this.#wasRefused = true;
      mux.control.resets.set(cursor.stream, { code: "busy", reason: "" });
      return;
    }
    this.#openPart(mux.addStream(cursor.stream, false), cursor);
  }

  /** A refused OPEN may have been the first of several parts: its later parts are late, not wrong. */
  #wasRefused = false;

  #openPart(stream: MuxStream, cursor: FrameCursor): void {
    const mux = this.#mux;
    if (mux.role !== "agent" || stream.headParts === null) throw misplaced(`OPEN came again for stream ${stream.id}`);
    const record = this.#record(stream, cursor);
    if (record === null) return;
    try {
      const head = parseOpen(record, this.#pairs);
      if (head.flags.ends) stream.move("receiveFin");
      mux.effect({ kind: "open", id: stream.id, head });
    } catch (error) {
      this.#refuseHead(stream, asFault(error).why);
    }
  }

  #head(stream: MuxStream, cursor: FrameCursor): void {
    const mux = this.#mux;
    if (mux.role !== "relay" || stream.headParts === null) throw misplaced(`HEAD came twice, or from the wrong end, for stream ${stream.id}`);
    if (stream.record !== null) throw misplaced(`HEAD came before OPEN was complete for stream ${stream.id}`);
    const record = this.#record(stream, cursor);
    if (record === null) return;
    mux.awaitedHeads -= 1;
    try {
      mux.effect({ kind: "head", id: stream.id, head: parseHead(record) });
    } catch (error) {
      this.#refuseHead(stream, asFault(error).why);
    }
  }

  /** Collects a record; null while parts are missing or when it was refused. */
  #record(stream: MuxStream, cursor: FrameCursor): Uint8Array | null {
    const payload = cursor.payload();
    const parts = stream.headParts!;
    stream.headOctets += payload.length;
    if (stream.headOctets > headBytesMax || parts.length >= headPartsMax) {
      this.#refuseHead(stream, `the head is over ${headBytesMax} octets, or in more than ${headPartsMax} parts`);
      return null;
    }
    if (cursor.hasMore && payload.length === 0) throw malformed("a part of a head is empty");
    if (cursor.hasMore || parts.length > 0) parts.push(copyOf(payload));
    if (cursor.hasMore) return null;
    stream.headParts = null;
    return parts.length === 0 ? payload : join(parts, stream.headOctets);
  }

  /** At the agent nobody knows of the stream yet, so there is nobody to tell. */
  #refuseHead(stream: MuxStream, why: string): void {
    if (this.#mux.role === "relay") return this.#refuse(stream, why);
    this.#wasRefused = true;
    this.#mux.reset(stream.id, "head", why);
  }

  /** Ends one stream because its peer broke a rule of it, and tells both. */
  #refuse(stream: MuxStream, why: string): void {
    this.#mux.control.resets.set(stream.id, { code: "head", reason: why });
    this.#mux.endStream(stream, "head", why, true);
  }

  #body(stream: MuxStream, cursor: FrameCursor): void {
    const mux = this.#mux;
    const octets = cursor.end - cursor.start;
    mux.control.decodedOctets += octets;
    requireOpenForBody(stream, "BODY");
    if (octets === 0) throw malformed("BODY is empty");
    if (!stream.in.receive(octets)) {
      mux.control.resets.set(stream.id, { code: "overrun", reason: "" });
      return mux.endStream(stream, "overrun", "more octets came than were granted", true);
    }
    mux.effect({ kind: "data", id: stream.id, chunk: cursor.payload() });
  }

  #fin(stream: MuxStream, cursor: FrameCursor): void {
    if (cursor.end !== cursor.start) throw malformed("FIN carries octets");
    requireOpenForBody(stream, "FIN");
    const state = stream.move("receiveFin");
    this.#mux.effect({ kind: "end", id: stream.id });
    if (state === "closed") this.#mux.closeStream(stream);
  }
}

function requireOpenForBody(stream: MuxStream, what: string): void {
  if (stream.headParts !== null) throw misplaced(`${what} came before the head of stream ${stream.id} was complete`);
  if (stream.state === "remoteDone") throw misplaced(`${what} came behind the end of stream ${stream.id}`);
}

function misplaced(why: string): Fault {
  return new Fault("FRAME_MISPLACED", { what: "a frame came where it may not", why });
}

function join(parts: readonly Uint8Array[], octets: number): Uint8Array {
  const whole = new Uint8Array(octets);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
