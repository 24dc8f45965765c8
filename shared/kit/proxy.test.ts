// Which way out: the grammar of HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go reads it, so that one environment means the same to kubectl and to us.
import { describe, expect, test } from "vitest";
import { describeRoute, findProxy, noProxySettings, parseProxySettings, type ProxySettings } from "./proxy.ts";

const settings = (noProxy: string): ProxySettings =>
  parseProxySettings({ httpProxy: "http://plain.example:3128", httpsProxy: "http://secure.example:3128", noProxy });
const isDirect = (noProxy: string, host: string, port = 443): boolean => findProxy(settings(noProxy), { host, port, isTls: true }) === null;

describe("a proxy's address", () => {
  const proxyOf = (httpsProxy: string): unknown => parseProxySettings({ httpProxy: "", httpsProxy, noProxy: "" }).https;

  test.each([
    ["http://proxy.example:3128", { isTls: false, host: "proxy.example", port: 3_128, authorization: null, shown: "http://proxy.example:3128" }],
    ["https://proxy.example", { isTls: true, host: "proxy.example", port: 443, authorization: null, shown: "https://proxy.example:443" }],
    ["http://proxy.example/", { isTls: false, host: "proxy.example", port: 80, authorization: null, shown: "http://proxy.example:80" }],
    [" proxy.example:8080 ", { isTls: false, host: "proxy.example", port: 8_080, authorization: null, shown: "http://proxy.example:8080" }],
    ["http://[::1]:3128", { isTls: false, host: "::1", port: 3_128, authorization: null, shown: "http://[::1]:3128" }],
    ["", null],
    ["  ", null],
  ])('"%s" is read', (text, proxy) => {
    expect(proxyOf(text)).toEqual(proxy);
  });

  test("keeps credentials out of what people are shown, and sends them decoded", () => {
    const proxy = parseProxySettings({ httpProxy: "http://ann:p%40ss%3Aword@proxy.example:3128", httpsProxy: "", noProxy: "" }).http!;
    expect(proxy.authorization).toBe(`Basic ${Buffer.from("ann:p@ss:word").toString("base64")}`);
    expect(JSON.stringify({ ...proxy, authorization: "" })).not.toMatch(/ann|p%40|pass/);
    expect(parseProxySettings({ httpProxy: "http://ann@proxy.example", httpsProxy: "", noProxy: "" }).http?.authorization).toBe(
      `Basic ${Buffer.from("ann:").toString("base64")}`,
    );
  });

  test.each(["socks5://proxy.example:1080", "ftp://proxy.example", "http://", "http://:3128", "://x"])(
    '"%s" is refused, by the setting that has it',
    (text) => {
      expect(() => proxyOf(text)).toThrow(expect.objectContaining({ code: "USAGE", message: expect.stringContaining("HTTPS_PROXY") as string }));
    },
  );
});

describe("NO_PROXY", () => {
  test.each([
    ["*", "anything.example", true],
    ["", "anything.example", false],
    ["example.com", "example.com", true],
    ["example.com", "www.example.com", true],
    ["example.com", "notexample.com", false],
    [".example.com", "www.example.com", true],
    [".example.com", "example.com", false],
    ["*.example.com", "www.example.com", true],
    ["*.example.com", "example.com", false],
    ["EXAMPLE.com", "www.Example.COM", true],
    ["  other.example , example.com ,", "example.com", true],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.10", false],
    ["10.0.0.0/8", "10.200.1.2", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "ten.example", false],
    ["192.168.1.0/25", "192.168.1.127", true],
    ["192.168.1.0/25", "192.168.1.128", false],
    ["fd00::/8", "fd12:3456::1", true],
    ["fd00::/8", "fe80::1", false],
    ["fd00::1", "fd00:0:0::1", true],
    ["[fd00::1]", "fd00::1", true],
    ["10.0.0.0/33", "10.0.0.1", false],
    ["10.0.0.0/x", "10.0.0.1", false],
    ["10.0.0.0/", "203.0.113.9", false],
    ["/8", "10.0.0.1", false],
    ["10.0.0.0/8/9", "10.0.0.1", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "fd00::1", false],
    ["com", "example.com", true],
  ])('"%s" for %s: direct is %s', (noProxy, host, expected) => {
    expect(isDirect(noProxy, host)).toBe(expected);
  });

  test.each([
    ["example.com:443", "example.com", 443, true],
    ["example.com:443", "example.com", 8_443, false],
    ["10.0.0.1:6443", "10.0.0.1", 6_443, true],
    ["10.0.0.1:6443", "10.0.0.1", 443, false],
    ["[fd00::1]:6443", "fd00::1", 6_443, true],
    ["[fd00::1]:6443", "fd00::1", 443, false],
  ])('"%s" for %s:%d: direct is %s', (noProxy, host, port, expected) => {
    expect(isDirect(noProxy, host, port)).toBe(expected);
  });

  test.each(["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])("this machine is always direct: %s", (host) => {
    expect(isDirect("", host)).toBe(true);
  });

  test.each(["localhost.example", "127.example", "128.0.0.1", "::2"])("%s is not this machine", (host) => {
    expect(isDirect("", host)).toBe(false);
  });
});

test("TLS and plain targets have a proxy each", () => {
  expect(findProxy(settings(""), { host: "a.example", port: 443, isTls: true })?.host).toBe("secure.example");
  expect(findProxy(settings(""), { host: "a.example", port: 80, isTls: false })?.host).toBe("plain.example");
  expect(findProxy(noProxySettings, { host: "a.example", port: 443, isTls: true })).toBe(null);
});

test("the way is said in words, without credentials", () => {
  const withCredentials = parseProxySettings({ httpProxy: "", httpsProxy: "http://ann:secret@proxy.example:3128", noProxy: "b.example" });
  expect(describeRoute(withCredentials, { host: "a.example", port: 443, isTls: true })).toBe("through proxy http://proxy.example:3128 with credentials");
  expect(describeRoute(withCredentials, { host: "b.example", port: 443, isTls: true })).toBe("direct (NO_PROXY matches)");
  expect(describeRoute(withCredentials, { host: "a.example", port: 80, isTls: false })).toBe("direct (no proxy is set)");
});
