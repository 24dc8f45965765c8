// Frame types and the frame's three-part head: `type u8 | stream varint | length varint | payload`. Pure. PROTOCOL.md section 1.
import { varintSize, writeVarint } from "./bytes.ts";

/** The WebSocket subprotocol that both ends name: these frames, in this form. */
export const SUBPROTOCOL = "bowline.1";

/**
 * ```
 * +---------+---------------+---------------+---------+
 * | type u8 | stream varint | length varint | payload |
 * +---------+---------------+---------------+---------+
 *   0x80 may be ignored · 0x40 MORE (OPEN, HEAD) · 0x3f type
 * ```
 */
export const FRAME_TYPES = {
  HELLO: 0x01,
  PROOF: 0x02,
  CLAIM: 0x03,
  WELCOME: 0x04,
  HELD: 0x05,
  BYE: 0x06,
  PING: 0x07,
  PONG: 0x08,
  ACK: 0x09,
  LIVE: 0x0a,
  LETTER: 0x0b,
  RECEIPT: 0x0c,
  LETTERCREDIT: 0x0d,
  OPEN: 0x20,
  HEAD: 0x21,
  BODY: 0x22,
  FIN: 0x23,
  STOP: 0x24,
  RESET: 0x25,
  CREDIT: 0x26,
} as const;

export type FrameTypeName = keyof typeof FRAME_TYPES;

export const IGNORABLE = 0x80;
export const MORE = 0x40;
export const TYPE_MASK = 0x3f;
/** Types from here on belong to a stream. */
export const STREAM_TYPES_FROM = 0x20;

const NAMES = new Map<number, FrameTypeName>(Object.entries(FRAME_TYPES).map(([name, type]) => [type, name as FrameTypeName]));

export function frameTypeName(type: number): FrameTypeName | null {
  return NAMES.get(type & TYPE_MASK) ?? null;
}

export function frameHeadSize(stream: number, length: number): number {
  return 1 + varintSize(stream) + varintSize(length);
}

/** Writes a frame's head at `at`; returns where its payload begins. */
export function writeFrameHead(out: Uint8Array, at: number, type: number, stream: number, length: number): number {
  out[at] = type;
  return writeVarint(out, writeVarint(out, at + 1, stream), length);
}

/** One frame as a message of its own: for the handshake, where each frame travels alone. */
export function encodeFrame(type: FrameTypeName, stream: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(frameHeadSize(stream, payload.length) + payload.length);
  out.set(payload, writeFrameHead(out, 0, FRAME_TYPES[type], stream, payload.length));
  return out;
}
