// The strict head codec: what it reads, and every shape it refuses.
import { describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "../kit/errors.ts";
import { headerLines, parseHeaderBlock, parseRequestLine, parseStatusLine } from "./http-head.ts";

function codeOf(run: () => unknown): FaultCode | null {
  try {
    run();
    return null;
  } catch (error) {
    return (error as Fault).code;
  }
}

describe("request lines", () => {
  test("method, target and version are read as they stand", () => {
    expect(parseRequestLine("GET /api/v1/pods?limit=500&labelSelector=a%2Fb%3Dc HTTP/1.1")).toEqual({ method: "GET", target: "/api/v1/pods?limit=500&labelSelector=a%2Fb%3Dc", minor: 1 });
    expect(parseRequestLine("PATCH / HTTP/1.0").minor).toBe(0);
  });

  test.each(["", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1.10", "GET\t/ HTTP/1.1", "GET /\u0001 HTTP/1.1", "GET /\u00e9 HTTP/1.1", "GET /\r HTTP/1.1", "G\u00cbT / HTTP/1.1", "GET x/ HTTP/1.1", "GET http://a/b HTTP/1.1", "OPTIONS * HTTP/1.1"])("%j is refused", (line) => {
    expect(codeOf(() => parseRequestLine(line))).toBe("HEAD_MALFORMED");
  });

  test.each(["TRACE / HTTP/1.1", "get / HTTP/1.1", "M-SEARCH / HTTP/1.1"])("%j has a method that is not forwarded", (line) => {
    expect(codeOf(() => parseRequestLine(line))).toBe("METHOD_REFUSED");
  });
});

describe("status lines", () => {
  test("with and without a reason", () => {
    expect(parseStatusLine("HTTP/1.1 200 OK")).toEqual({ status: 200, minor: 1 });
    expect(parseStatusLine("HTTP/1.0 404 ")).toEqual({ status: 404, minor: 0 });
    expect(parseStatusLine("HTTP/1.1 599")).toEqual({ status: 599, minor: 1 });
  });

  test.each(["", "HTTP/1.1", "HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1  200", "HTTP/1.1 +20 x", "HTTP/1.1 200OK", "HTTP/1.1 200 O\u0000K", "ICY 200 OK"])("%j is refused", (line) => {
    expect(codeOf(() => parseStatusLine(line))).toBe("HEAD_MALFORMED");
  });
});

describe("header blocks", () => {
  test("names in lower case, values without the white space around them, order and repeats kept", () => {
    expect(parseHeaderBlock("Accept: a\r\nX-Y:\t b c \r\nEmpty:\r\naccept:d\r\n").pairs).toEqual(["accept", "a", "x-y", "b c", "empty", "", "accept", "d"]);
    expect(parseHeaderBlock("").pairs).toEqual([]);
  });

  test("what frames the message is named", () => {
    expect(parseHeaderBlock("Content-Length: 012\r\nConnection: Keep-Alive, Upgrade\r\nExpect: 100-Continue\r\n")).toMatchObject({ contentLength: 12, isChunked: false, saysKeepAlive: true, saysUpgrade: true, saysClose: false, expectsContinue: true });
    expect(parseHeaderBlock("Transfer-Encoding: Chunked\r\nConnection: close\r\n")).toMatchObject({ contentLength: null, isChunked: true, saysClose: true });
  });

  test("its lines are what it was read from", () => {
    const text = "a: b\r\nc: d, e\r\n";
    expect(headerLines(parseHeaderBlock(text).pairs)).toBe(text);
  });

  const refused: readonly (readonly [string, FaultCode])[] = [
    ["a: b\n", "HEAD_MALFORMED"],
    ["a: b\nc: d\r\n", "HEAD_MALFORMED"],
    ["a: b\rc: d\r\n", "HEAD_MALFORMED"],
    ["a: b\r\n c\r\n", "HEAD_MALFORMED"],
    [" a: b\r\n", "HEAD_MALFORMED"],
    ["a : b\r\n", "HEAD_MALFORMED"],
    [": b\r\n", "HEAD_MALFORMED"],
    ["a\r\n", "HEAD_MALFORMED"],
    ["a\r\nb: c\r\n", "HEAD_MALFORMED"],
    ["a\u0000: b\r\n", "HEAD_MALFORMED"],
    ["a: b\u0000\r\n", "HEAD_MALFORMED"],
    ["a: b\u007f\r\n", "HEAD_MALFORMED"],
    ["\u00e4: b\r\n", "HEAD_MALFORMED"],
    ["content-length: \r\n", "HEAD_MALFORMED"],
    ["content-length: -1\r\n", "HEAD_MALFORMED"],
    ["content-length: +1\r\n", "HEAD_MALFORMED"],
    ["content-length: 1 2\r\n", "HEAD_MALFORMED"],
    ["content-length: 5, 5\r\n", "HEAD_MALFORMED"],
    ["content-length: 0x5\r\n", "HEAD_MALFORMED"],
    ["content-length: 9999999999999999\r\n", "HEAD_MALFORMED"],
    ["content-length: 5\r\nContent-Length: 5\r\n", "HEADER_REFUSED"],
    ["content-length: 5\r\ntransfer-encoding: chunked\r\n", "HEADER_REFUSED"],
    ["transfer-encoding: chunked\r\ncontent-length: 5\r\n", "HEADER_REFUSED"],
    ["transfer-encoding: gzip, chunked\r\n", "HEADER_REFUSED"],
    ["transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "HEADER_REFUSED"],
    ["transfer-encoding: xchunked\r\n", "HEADER_REFUSED"],
    ["transfer-encoding:\u000bchunked\r\n", "HEAD_MALFORMED"],
    ["transfer-encoding: chunked\t\r\n", "HEAD_MALFORMED"],
    ["content-length:\t5\r\n", "HEAD_MALFORMED"],
    ["transfer-encoding: identity\r\n", "HEADER_REFUSED"],
    ["expect: 200-ok\r\n", "HEADER_REFUSED"],
  ];
  test.each(refused)("%j is refused", (text, code) => {
    expect(codeOf(() => parseHeaderBlock(text))).toBe(code);
  });

  test("too many headers are refused", () => {
    expect(codeOf(() => parseHeaderBlock("a: b\r\n".repeat(2_001)))).toBe("HEAD_TOO_LARGE");
    expect(parseHeaderBlock("a: b\r\n".repeat(2_000)).pairs).toHaveLength(4_000);
  });
});
