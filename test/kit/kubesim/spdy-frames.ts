// SPDY/3.1 frames, as kubectl's exec, attach and port-forward use them. Bytes are drawn beside the constants; flow-control windows do
// not exist here, because the Go library on the other side has none.
//
//   control: 1 | version 15 bits = 3 | type 16 | flags 8 | length 24 | body
//   data:    0 | stream id 31                 | flags 8 | length 24 | body

export const frameType = { synStream: 1, synReply: 2, reset: 3, settings: 4, ping: 6, goAway: 7, headers: 8, windowUpdate: 9 } as const;

export const finFlag = 0x01;
const headBytes = 8;
const controlBit = 0x80;
const version = 3;
/** The format allows 16 MiB; nothing sane sends more at once. */
const frameBytesMax = 1 << 24;

export type Frame =
  | { readonly kind: "payload"; readonly stream: number; readonly isLast: boolean; readonly body: Buffer }
  | { readonly kind: "control"; readonly type: number; readonly flags: number; readonly body: Buffer };

export function payloadFrame(stream: number, body: Buffer, isLast: boolean): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(stream, 0);
  head.writeUInt8(isLast ? finFlag : 0, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

export function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(controlBit, 0);
  head.writeUInt8(version, 1);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

export const wordBody = (...words: readonly number[]): Buffer => {
  const body = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) body.writeUInt32BE(word >>> 0, index * 4);
  return body;
};

/** Cuts a byte stream into frames, whatever the slicing. */
export async function* framesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let parts: Buffer[] = [];
  let have = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    have += chunk.length;
    if (have < headBytes) continue;
    let bytes = Buffer.concat(parts);
    while (bytes.length >= headBytes) {
      const length = bytes.readUIntBE(5, 3);
      if (length >= frameBytesMax) throw new RangeError("a SPDY frame is over its limit");
      if (bytes.length < headBytes + length) break;
      const body = Buffer.from(bytes.subarray(headBytes, headBytes + length));
      const flags = bytes[4]!;
      if ((bytes[0]! & controlBit) === 0) yield { kind: "payload", stream: bytes.readUInt32BE(0), isLast: (flags & finFlag) !== 0, body };
      else yield { kind: "control", type: bytes.readUInt16BE(2), flags, body };
      bytes = bytes.subarray(headBytes + length);
    }
    parts = [bytes];
    have = bytes.length;
  }
}
