// Where bodies end: whole, octet by octet, with octets behind them, and every malformed chunk.
import { describe, expect, test } from "vitest";
import { BodyDecoder, requestFraming, responseFraming, type BodyFraming } from "./http-body.ts";

function read(framing: BodyFraming, text: string, step: number): { content: string; used: number; isDone: boolean; mayEndHere: boolean } {
  const decoder = new BodyDecoder(framing);
  const bytes = Buffer.from(text, "latin1");
  let content = "";
  let used = 0;
  for (let from = 0; from < bytes.length && !decoder.isDone; from += step) {
    const part = bytes.subarray(from, from + step);
    for (let at = 0; at < part.length && !decoder.isDone; ) {
      const before = at;
      at = decoder.step(part, at);
      content += part.toString("latin1", decoder.from, decoder.to);
      used += at - before;
    }
  }
  return { content, used, isDone: decoder.isDone, mayEndHere: decoder.mayEndHere };
}

const chunked = { kind: "chunked" } as const;

describe.each([1, 2, 3, 7, 1_000])("in parts of %i octets", (step) => {
  test("a length is read to its end and no further", () => {
    expect(read({ kind: "length", octets: 5 }, "helloGET / HTTP/1.1", step)).toMatchObject({ content: "hello", used: 5, isDone: true });
    expect(read({ kind: "length", octets: 5 }, "hell", step)).toMatchObject({ content: "hell", isDone: false, mayEndHere: false });
    expect(read({ kind: "length", octets: 0 }, "x", step)).toMatchObject({ used: 0, isDone: true });
  });

  test("chunks are joined, trailers dropped, what follows is left alone", () => {
    expect(read(chunked, "5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\nNEXT", step)).toMatchObject({ content: "helloabcdefghijklmnopqrstuvwxyz", used: 47, isDone: true });
    expect(read(chunked, "00A\r\n0123456789\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\nNEXT", step)).toMatchObject({ content: "0123456789", isDone: true });
    expect(read(chunked, "5\r\nhello\r\n0\r\n", step)).toMatchObject({ content: "hello", isDone: false, mayEndHere: false });
  });

  test("without length or chunks the body ends with the socket", () => {
    expect(read({ kind: "close" }, "all of it", step)).toMatchObject({ content: "all of it", isDone: false, mayEndHere: true });
  });

  test.each(["\r\nx", "5;ext=1\r\nhello", "5 \r\nhello", " 5\r\nhello", "+5\r\nhello", "0x5\r\nhello", "5\nhello", "5\rhello", "5\r\nhellox\r\n", "5\r\nhello\n0\r\n", "g\r\n", "fffffffffffffff\r\n", "-1\r\n", "0\r\nx: \u0000\r\n\r\n", "0\r\nx: 1\n\r\n", "0\r\ncontent-length: 5\r\n\r\n", "0\r\ntransfer-encoding: chunked\r\n\r\n", "0\r\n \r\n\r\n", "0\r\nx\r\n\r\n", "0\r\n\n", "0\r\nx: 1\r\n\n"])("%j is refused", (text) => {
    expect(() => read(chunked, text, step)).toThrow(expect.objectContaining({ code: "HEAD_MALFORMED" }));
  });
});

test("trailers are bounded", () => {
  expect(() => read(chunked, `0\r\n${"a: b\r\n".repeat(2_000)}\r\n`, 1_000)).toThrow(expect.objectContaining({ code: "HEAD_MALFORMED" }));
});

test("framing follows RFC 9112 section 6.3", () => {
  expect(requestFraming({ contentLength: null, isChunked: false })).toEqual({ kind: "none" });
  expect(requestFraming({ contentLength: 3, isChunked: false })).toEqual({ kind: "length", octets: 3 });
  expect(requestFraming({ contentLength: null, isChunked: true })).toEqual({ kind: "chunked" });
  for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304]] as const) expect(responseFraming(method, status, { contentLength: 9, isChunked: false })).toEqual({ kind: "none" });
  expect(responseFraming("GET", 200, { contentLength: null, isChunked: false })).toEqual({ kind: "close" });
});
