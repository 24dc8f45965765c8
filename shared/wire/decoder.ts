// Takes a message apart into frames without copying: a cursor that names one frame after the other. Judges from the frame's head alone, before
// anything is kept: length, type, whether the stream belongs to it. Pure. Refuses with the codes of PROTOCOL.md section 1.
import { Fault } from "../kit/errors.ts";
import { malformed } from "./bytes.ts";
import { FRAME_TYPES, frameTypeName, IGNORABLE, MORE, STREAM_TYPES_FROM, TYPE_MASK, type FrameTypeName } from "./frame.ts";
import { frameBytesMax, messageBytesMax } from "./limits.ts";

export class FrameCursor {
  /** Type without its two flag bits. */
  type = 0;
  stream = 0;
  hasMore = false;
  /** Payload: `message.subarray(start, end)`. */
  start = 0;
  end = 0;
  readonly message: Uint8Array;

  constructor(message: Uint8Array) {
    if (message.length === 0) throw malformed("a message is empty");
    if (message.length > messageBytesMax) throw new Fault("FRAME_TOO_LARGE", { what: `a message of ${message.length} octets came`, why: `a message is at most ${messageBytesMax} octets` });
    this.message = message;
  }

  /** Moves to the next frame that is known; false at the message's end. Faults: FRAME_TRUNCATED, FRAME_TOO_LARGE, FRAME_UNKNOWN, FRAME_MALFORMED, FRAME_MISPLACED. */
  next(): boolean {
    for (;;) {
      const { message } = this;
      if (this.end === message.length) return false;
      const typeOctet = message[this.end]!;
      const type = typeOctet & TYPE_MASK;
      const streamAt = this.end + 1;
      const lengthAt = streamAt + this.#size(streamAt);
      const stream = this.#varint(streamAt);
      const start = lengthAt + this.#size(lengthAt);
      const length = this.#varint(lengthAt);
      if (length > frameBytesMax) throw new Fault("FRAME_TOO_LARGE", { what: `a frame of ${length} octets was announced`, why: `a frame is at most ${frameBytesMax} octets` });
      if (start + length > message.length) throw truncated();
      this.end = start + length;
      if (frameTypeName(type) === null) {
        if ((typeOctet & IGNORABLE) !== 0) continue;
        throw new Fault("FRAME_UNKNOWN", { what: `a frame of the unknown type 0x${type.toString(16)} came`, why: "it is not marked as one that may be ignored" });
      }
      if (type >= STREAM_TYPES_FROM !== stream > 0) throw new Fault("FRAME_MISPLACED", { what: `a ${frameTypeName(type)} frame names stream ${stream}`, why: "link frames have stream 0, stream frames have another" });
      this.hasMore = (typeOctet & MORE) !== 0;
      if (this.hasMore && type !== FRAME_TYPES.OPEN && type !== FRAME_TYPES.HEAD) throw malformed(`a ${frameTypeName(type)} frame says that it goes on`);
      this.type = type;
      this.stream = stream;
      this.start = start;
      return true;
    }
  }

  payload(): Uint8Array {
    return this.message.subarray(this.start, this.end);
  }

  #size(at: number): number {
    if (at >= this.message.length) throw truncated();
    const size = 1 << (this.message[at]! >>> 6);
    if (at + size > this.message.length) throw truncated();
    return size;
  }

  /** The varint at `at`, whose octets are known to be there. */
  #varint(at: number): number {
    const bytes = this.message;
    const first = bytes[at]!;
    if (first < 0x40) return first;
    const size = 1 << (first >>> 6);
    let value = first & 0x3f;
    for (let index = 1; index < size; index += 1) value = value * 256 + bytes[at + index]!;
    const least = size === 2 ? 0x40 : size === 4 ? 0x4000 : 0x4000_0000;
    if (value < least) throw malformed("a number is not in its shortest form");
    if (value > Number.MAX_SAFE_INTEGER) throw malformed("a number is above 2^53-1");
    return value;
  }
}

function truncated(): Fault {
  return new Fault("FRAME_TRUNCATED", { what: "a message ended inside a frame", why: "a message is a sequence of whole frames" });
}

/** All frames of a message as a list: for the handshake and for tests, not for the hot path. */
export function decodeFrames(message: Uint8Array): { type: FrameTypeName; stream: number; hasMore: boolean; payload: Uint8Array }[] {
  const frames = [];
  const cursor = new FrameCursor(message);
  while (cursor.next()) frames.push({ type: frameTypeName(cursor.type)!, stream: cursor.stream, hasMore: cursor.hasMore, payload: cursor.payload() });
  return frames;
}
