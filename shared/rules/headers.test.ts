// Headers that cross the link: a list of what may, in both directions; what a hop says to its neighbour, what says who somebody is, and what two readers
// would read differently stays behind or is refused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asksImpersonation, findHeader, forwardedRequestHeaders, forwardedResponseHeaders } from "./headers.ts";

const refused = expect.objectContaining({ code: "HEADER_REFUSED" });
const goesOn = (name: string): boolean => forwardedRequestHeaders([name, "x"]).length === 2;

describe("a request's header", () => {
  test("of an upgrade goes on with an upgrade, and stays behind without one", () => {
    const flat = ["Upgrade", "websocket", "Sec-WebSocket-Key", "k", "Sec-WebSocket-Protocol", "v5.channel.k8s.io", "X-Stream-Protocol-Version", "v4.channel.k8s.io"];
    expect(forwardedRequestHeaders(flat, true)).toEqual(flat.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)));
    expect(forwardedRequestHeaders(flat)).toEqual([]);
    expect(forwardedRequestHeaders(["Upgrade", "SPDY/3.1"], true)).toEqual(["upgrade", "SPDY/3.1"]);
  });

  test.each(["h2c", "TLS/1.0", "websocket, h2c", ""])("that asks for an upgrade to %j is refused", (protocol) => {
    expect(() => forwardedRequestHeaders(["Upgrade", protocol], true)).toThrow(expect.objectContaining({ code: "UPGRADE_REFUSED" }));
  });

  test.each(["gzip, chunked", "identity", "chunked, chunked"])("that codes its body as %j is refused", (coding) => {
    expect(() => forwardedRequestHeaders(["Transfer-Encoding", coding])).toThrow(expect.objectContaining({ code: "HEADER_REFUSED" }));
  });

  test.each([
    "Accept",
    "ACCEPT-ENCODING",
    "Content-Type",
    "Content-Length",
    "User-Agent",
    "If-None-Match",
    "Range",
    "Kubectl-Command",
    "Kubectl-Session",
  ])("%s goes on, in lower case", (name) => {
    expect(forwardedRequestHeaders([name, "Va lue"])).toEqual([name.toLowerCase(), "Va lue"]);
  });

  test.each([
    "Authorization",
    "Cookie",
    "Host",
    "Impersonate-User",
    "Impersonate-Group",
    "Impersonate-Extra-Scopes",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Forwarded-For",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Acceptfoo",
    "HTTP2-Settings",
    "Audit-ID",
    "X-Request-Id",
    "Origin",
    "Referer",
    "Expect",
    "Via",
    "Early-Data",
    "accept_encoding",
    "content_length",
    "X_Remote_User",
    "sec-websocket_key",
    "accept ",
    " accept",
    "acc\u0000ept",
    "accept:",
    "",
  ])("%j stays behind", (name) => {
    expect(goesOn(name)).toBe(false);
  });

  test("that Connection names is this hop's own; upgrade is rebuilt on the other side", () => {
    const flat = [
      "Connection",
      "close, X-Stream-Protocol-Version ,ACCEPT",
      "Accept",
      "a",
      "x-stream-protocol-version",
      "v4",
      "User-Agent",
      "kubectl",
      "connection",
      "Upgrade, user-agent",
      "Upgrade",
      "websocket",
    ];
    expect(forwardedRequestHeaders(flat, true)).toEqual(["upgrade", "websocket"]);
  });

  test("that may be said twice stays so, in order", () => {
    expect(forwardedRequestHeaders(["Accept", "a", "accept", "b", "X-Stream-Protocol-Version", "v4", "X-Stream-Protocol-Version", "v5"], true)).toEqual([
      "accept",
      "a",
      "accept",
      "b",
      "x-stream-protocol-version",
      "v4",
      "x-stream-protocol-version",
      "v5",
    ]);
  });

  test.each(["Authorization", "Content-Length", "Content-Type", "Host", "Transfer-Encoding", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])(
    "%s said twice is refused, even with the same value and in another case",
    (name) => {
      expect(() => forwardedRequestHeaders([name, "1", name.toLowerCase(), "1"])).toThrow(refused);
    },
  );

  test("Content-Length beside Transfer-Encoding is refused, in either order", () => {
    expect(() => forwardedRequestHeaders(["Content-Length", "3", "Transfer-Encoding", "chunked"])).toThrow(refused);
    expect(() => forwardedRequestHeaders(["transfer-encoding", "chunked", "content-length", "3"])).toThrow(refused);
  });

  test("whatever the client sends, nothing goes on that is not on the list", () => {
    const listed =
      /^(?:accept|content-|if-|sec-websocket-)[!#$%&'*+\-.^`|~0-9a-z]*$|^(?:user-agent|range|upgrade|x-stream-protocol-version|kubectl-command|kubectl-session)$/;
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom("Accept", "Cookie", "Connection", "Impersonate-User", "If-Match", "X-Remote-User"),
      fc.string().map((tail) => `accept${tail}`),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (pairs) => {
        const once = [...new Map(pairs.map(([key, value]) => [key.toLowerCase(), value]))].flat();
        const out = forwardedRequestHeaders(once.filter((_word, index) => !/^transfer-encoding$/i.test(once[index - (index % 2)]!)));
        for (let index = 0; index < out.length; index += 2) expect(out[index]).toMatch(listed);
      }),
    );
  });
});

describe("an answer's header", () => {
  test.each([
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Set-Cookie",
    "Set-Cookie2",
    "Alt-Svc",
    "Strict-Transport-Security",
  ])("%s stays behind", (name) => {
    expect(forwardedResponseHeaders([name, "x"])).toEqual([]);
  });

  test("goes on otherwise, in lower case, repeated ones as often as they came", () => {
    expect(
      forwardedResponseHeaders(["Content-Type", "application/json", "Warning", '299 - "a"', "Warning", '299 - "b"', "Audit-Id", "1", "X-Own", "2"]),
    ).toEqual(["content-type", "application/json", "warning", '299 - "a"', "warning", '299 - "b"', "audit-id", "1", "x-own", "2"]);
  });

  test("that Connection names is the API server's word to its neighbour and ends there", () => {
    expect(forwardedResponseHeaders(["Connection", "close, X-Hop", "X-Hop", "1", "Warning", "kept"])).toEqual(["warning", "kept"]);
  });
});

test("the first of a header is found by its name in lower case", () => {
  expect(findHeader(["Upgrade", "websocket", "UPGRADE", "h2c"], "upgrade")).toBe("websocket");
  expect(findHeader(["X", "upgrade"], "upgrade")).toBe(null);
  expect(findHeader(["upgrade"], "upgrade")).toBe(null);
});

test("impersonation is seen in any spelling of its name, and in no value", () => {
  for (const name of ["Impersonate-User", "impersonate-group", "IMPERSONATE-EXTRA-x", "Impersonate-Uid"])
    expect(asksImpersonation(["Accept", "x", name, ""])).toBe(true);
  expect(asksImpersonation(["Accept", "Impersonate-User", "X-Impersonate-User", "y"])).toBe(false);
});

test("every refusal of a request's headers says what to try", () => {
  const refused: readonly (readonly string[])[] = [
    ["Host", "a", "Host", "b"],
    ["Transfer-Encoding", "gzip, chunked"],
    ["Content-Length", "1", "Transfer-Encoding", "chunked"],
  ];
  for (const flat of refused) expect(() => forwardedRequestHeaders(flat)).toThrow(expect.objectContaining({ code: "HEADER_REFUSED", hint: expect.stringMatching(/./) as string }));
  expect(() => forwardedRequestHeaders(["Upgrade", "h2c"], true)).toThrow(expect.objectContaining({ code: "UPGRADE_REFUSED", hint: expect.stringMatching(/./) as string }));
});
