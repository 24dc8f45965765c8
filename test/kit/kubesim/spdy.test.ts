// SPDY/3.1 as old kubectl speaks it: frames cut anywhere, headers compressed over the life of a link, streams that half-close.
import { Duplex, PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { finFlag, controlFrame, framesOf, frameType, payloadFrame, wordBody, type Frame } from "./spdy-frames.ts";
import { HeaderReader, HeaderWriter } from "./spdy-headers.ts";
import { SpdyLink, type SpdyStream } from "./spdy.ts";

async function collected(chunks: Iterable<Buffer>): Promise<Frame[]> {
  async function* source(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  const frames: Frame[] = [];
  for await (const frame of framesOf(source())) frames.push(frame);
  return frames;
}

test("frames are the same whole, byte by byte, and with the start of another behind them", async () => {
  const bytes = Buffer.concat([payloadFrame(3, Buffer.from("abc"), true), controlFrame(frameType.ping, 0, wordBody(7))]);
  const whole = await collected([bytes]);
  expect(whole).toEqual([
    { kind: "payload", stream: 3, isLast: true, body: Buffer.from("abc") },
    { kind: "control", type: frameType.ping, flags: 0, body: wordBody(7) },
  ]);
  expect(await collected([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
  expect(await collected([bytes, bytes.subarray(0, 5)])).toEqual(whole);
});

test("header blocks written here are read by zlib, one after another in the same context", async () => {
  const writer = new HeaderWriter();
  const reader = new HeaderReader();
  for (const headers of [{ streamtype: "stdin" }, {}, { streamtype: "error", port: "80", requestid: "1" }]) {
    expect(await reader.read(writer.write(headers))).toEqual(headers);
  }
  reader.close();
});

test("a stream is answered, echoes, half-closes; a ping comes back", async () => {
  const toServer = new PassThrough();
  const toClient = new PassThrough();
  const streams: SpdyStream[] = [];
  const link = new SpdyLink(Duplex.from({ readable: toServer, writable: toClient }), (stream) => {
    streams.push(stream);
    void (async () => {
      for await (const chunk of stream.read()) await stream.write(chunk);
      await stream.finish();
      await link.close();
    })();
  });
  const running = link.run();
  const headers = new HeaderWriter();
  toServer.write(controlFrame(frameType.synStream, 0, Buffer.concat([wordBody(1, 0), Buffer.alloc(2), headers.write({ streamtype: "data" })])));
  toServer.write(controlFrame(frameType.ping, 0, wordBody(9)));
  toServer.write(payloadFrame(1, Buffer.from("over"), false));
  toServer.write(payloadFrame(1, Buffer.from(" and out"), true));
  const frames: Frame[] = [];
  for await (const frame of framesOf(toClient)) frames.push(frame);
  toServer.end();
  await running;
  expect(streams.map((stream) => stream.headers)).toEqual([{ streamtype: "data" }]);
  const control = frames.filter((frame) => frame.kind === "control").map((frame) => frame.type);
  expect(control).toEqual([frameType.synReply, frameType.ping, frameType.goAway]);
  const payload = frames.filter((frame) => frame.kind === "payload");
  expect(Buffer.concat(payload.map((frame) => frame.body)).toString()).toBe("over and out");
  expect(payload.at(-1)).toMatchObject({ isLast: true, stream: 1 });
  expect(finFlag).toBe(1);
});
