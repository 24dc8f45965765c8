// Messages that break a rule of shared/PROTOCOL.md after an honest handshake, and the Fault code that each must be answered with in a BYE. Those of `toBoth` break it
// whoever sends them.
import { FRAME_TYPES, frameHeadSize, writeFrameHead } from "../../shared/wire/frame.ts";
import { frameBytesMax } from "../../shared/wire/limits.ts";
import { encodeNumbers as numbers, encodeOpen } from "../../shared/wire/message.ts";

export interface Hostile {
  readonly name: string;
  readonly message: Uint8Array;
  readonly fault: string;
}

export function frame(type: number, stream: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(frameHeadSize(stream, payload.length) + payload.length);
  out.set(payload, writeFrameHead(out, 0, type, stream, payload.length));
  return out;
}

const { ACK, BODY, BYE, CREDIT, FIN, HELD, HELLO, LETTER, LIVE, OPEN, HEAD, PING, RECEIPT } = FRAME_TYPES;
const empty = new Uint8Array(0);
const ping = frame(PING, 0, numbers(1));

const toBoth: readonly Hostile[] = [
  { name: "an empty message", message: empty, fault: "FRAME_MALFORMED" },
  { name: "a frame that announces more than 64 KiB", message: Uint8Array.from([BODY, 1, ...numbers(frameBytesMax + 1)]), fault: "FRAME_TOO_LARGE" },
  { name: "a frame of 2^53-1 octets", message: Uint8Array.from([BODY, 1, ...numbers(Number.MAX_SAFE_INTEGER)]), fault: "FRAME_TOO_LARGE" },
  { name: "a message that ends inside a frame's head", message: Uint8Array.from([...ping, PING]), fault: "FRAME_TRUNCATED" },
  { name: "a message that ends inside a frame's payload", message: ping.subarray(0, ping.length - 1), fault: "FRAME_TRUNCATED" },
  { name: "an unknown type", message: frame(0x1f, 0, empty), fault: "FRAME_UNKNOWN" },
  { name: "a number that is not in its shortest form", message: Uint8Array.from([PING, 0x40, 0x00, 1, 1]), fault: "FRAME_MALFORMED" },
  { name: "octets behind a frame's last field", message: frame(PING, 0, numbers(1, 2)), fault: "FRAME_MALFORMED" },
  { name: "a link frame on a stream", message: frame(PING, 7, numbers(1)), fault: "FRAME_MISPLACED" },
  { name: "a stream frame without a stream", message: frame(BODY, 0, Uint8Array.of(1)), fault: "FRAME_MISPLACED" },
  { name: "a handshake frame", message: frame(HELLO, 0, empty), fault: "FRAME_MISPLACED" },
  { name: "MORE on a frame that may not have it", message: frame(PING | 0x40, 0, numbers(1)), fault: "FRAME_MALFORMED" },
  { name: "BODY of a stream that was never opened", message: frame(BODY, 1_000_000, Uint8Array.of(1)), fault: "STREAM_UNKNOWN" },
  { name: "CREDIT for a stream that was never opened", message: frame(CREDIT, 1_000_000, numbers(1)), fault: "STREAM_UNKNOWN" },
  { name: "an ACK for octets that were never sent", message: frame(ACK, 0, numbers(2 ** 40)), fault: "FRAME_MALFORMED" },
  { name: "a receipt for a letter that never left", message: frame(RECEIPT, 0, numbers(1_000_000, 0)), fault: "FRAME_MALFORMED" },
  { name: "a letter out of its turn", message: frame(LETTER, 0, Uint8Array.from([...numbers(1_000, 0, 1), 0])), fault: "FRAME_MALFORMED" },
  { name: "a letter larger than any may be", message: frame(LETTER, 0, Uint8Array.from([...numbers(1, 0, 2 ** 40), 0])), fault: "FRAME_MALFORMED" },
  { name: "a BYE that cannot be read", message: frame(BYE, 0, Uint8Array.of(3)), fault: "FRAME_MALFORMED" },
];

export const toRelay: readonly Hostile[] = [
  ...toBoth,
  { name: "an OPEN from the agent", message: frame(OPEN, 1, numbers(0)), fault: "STREAM_UNKNOWN" },
  { name: "a HEAD nobody asked for", message: frame(HEAD, 3, numbers(200)), fault: "STREAM_UNKNOWN" },
  { name: "LIVE from the agent", message: frame(LIVE, 0, numbers(0, 0)), fault: "FRAME_MISPLACED" },
];

/** A request that this path's API server never answers, so that its stream stays open. */
export const heldTarget = "/api/v1/namespaces/default/configmaps/held";
const openHeld = frame(OPEN, 1, encodeOpen({ flags: { interactive: false, upgrade: false, ends: false }, method: "PUT", target: heldTarget, operator: "hostile", tier: "admin", requestId: "r1", source: "", headers: [] }));

export const toAgent: readonly Hostile[] = [
  ...toBoth,
  { name: "HELD from the relay", message: frame(HELD, 0, Buffer.from("[]")), fault: "FRAME_MISPLACED" },
  { name: "a stream that is opened twice", message: Buffer.concat([openHeld, openHeld]), fault: "FRAME_MISPLACED" },
  { name: "HEAD from the relay", message: Buffer.concat([openHeld, frame(HEAD, 1, numbers(200))]), fault: "FRAME_MISPLACED" },
  { name: "BODY behind a stream's end", message: Buffer.concat([openHeld, frame(FIN, 1, empty), frame(BODY, 1, Uint8Array.of(1))]), fault: "FRAME_MISPLACED" },
  { name: "an empty BODY", message: Buffer.concat([openHeld, frame(BODY, 1, empty)]), fault: "FRAME_MALFORMED" },
  { name: "a FIN with octets", message: Buffer.concat([openHeld, frame(FIN, 1, Uint8Array.of(1))]), fault: "FRAME_MALFORMED" },
];
