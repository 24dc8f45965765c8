// Which way out: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's httpproxy reads them (golang.org/x/net/http/httpproxy), so that one environment means
// the same to kubectl and to us. Values are handed in by the entries. Refuses proxies that are neither http nor https.

import { BlockList, isIP } from "node:net";
import { Fault } from "./errors.ts";

export interface ProxyAddress {
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
  /** `Basic ...`, or null. */
  readonly authorization: string | null;
  /** Without credentials: for people. */
  readonly shown: string;
}

export interface ProxySettings {
  readonly http: ProxyAddress | null;
  readonly https: ProxyAddress | null;
  readonly noProxy: readonly string[];
}

export const noProxySettings: ProxySettings = { http: null, https: null, noProxy: [] };

export function parseProxySettings(texts: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string }): ProxySettings {
  return {
    http: parseProxy(texts.httpProxy, "HTTP_PROXY"),
    https: parseProxy(texts.httpsProxy, "HTTPS_PROXY"),
    noProxy: texts.noProxy.split(",").map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== ""),
  };
}

function parseProxy(text: string, name: string): ProxyAddress | null {
  if (text.trim() === "") return null;
  let url: URL;
  let credentials: string;
  try {
    url = new URL(text.includes("://") ? text.trim() : `http://${text.trim()}`);
    credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  } catch {
    throw new Fault("USAGE", { what: `${name} is not a proxy's address`, why: "it must be http://[USER:PASSWORD@]HOST:PORT or https://...", hint: "percent-encode special characters in user and password" });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new Fault("USAGE", { what: `${name} names a ${url.protocol.slice(0, -1)} proxy`, why: "http and https proxies are supported (CONNECT)" });
  const isTls = url.protocol === "https:";
  const host = bareHost(url.hostname);
  const port = Number(url.port || (isTls ? 443 : 80));
  return { isTls, host, port, authorization: url.username === "" ? null : `Basic ${Buffer.from(credentials).toString("base64")}`, shown: `${url.protocol}//${url.hostname}:${port}` };
}

/** A host without the brackets that a URL puts around an IPv6 address: they belong to the URL's text, not to the address. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** The proxy for a target, or null for a direct way. Loopback is always direct, as in Go. */
export function findProxy(settings: ProxySettings, target: { readonly host: string; readonly port: number; readonly isTls: boolean }): ProxyAddress | null {
  const proxy = target.isTls ? settings.https : settings.http;
  return proxy === null || isDirect(settings.noProxy, bareHost(target.host.toLowerCase()), target.port) ? null : proxy;
}

function isDirect(entries: readonly string[], host: string, port: number): boolean {
  if (host === "localhost" || (isIP(host) !== 0 && isLoopback(host))) return true;
  return entries.some((entry) => matches(entry, host, port));
}

const familyOf = (ip: string): "ipv4" | "ipv6" => (isIP(ip) === 6 ? "ipv6" : "ipv4");

// A BlockList compares addresses and not texts: an address has several ways to write it, IPv4 inside IPv6 is one.
const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(ip: string): boolean {
  return loopback.check(ip, familyOf(ip));
}

function isSameAddress(left: string, right: string): boolean {
  const list = new BlockList();
  list.addAddress(left, familyOf(left));
  return list.check(right, familyOf(right));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return matchesRange(entry, host);
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(entry);
  const name = withPort === null ? entry.replace(/^\[|\]$/g, "") : (withPort[1] ?? withPort[2]!);
  if (withPort !== null && Number(withPort[3]) !== port) return false;
  if (isIP(name) !== 0) return isIP(host) !== 0 && isSameAddress(name, host);
  const bare = name.replace(/^\*?\./, "");
  // "example.com" covers itself and what is below; ".example.com" only what is below.
  return host.endsWith(`.${bare}`) || (bare === name && host === bare);
}

function matchesRange(entry: string, host: string): boolean {
  const [, address = "", bits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family) return false;
  try {
    const kind = familyOf(address);
    const list = new BlockList();
    list.addSubnet(address, Number(bits), kind);
    return list.check(host, kind);
  } catch {
    return false; // a range that cannot be read matches nothing
  }
}

/** The way to a target in words, for doctor and for errors. */
export function describeRoute(settings: ProxySettings, target: { readonly host: string; readonly port: number; readonly isTls: boolean }): string {
  const proxy = findProxy(settings, target);
  if (proxy !== null) return `through proxy ${proxy.shown}${proxy.authorization === null ? "" : " with credentials"}`;
  const wanted = target.isTls ? settings.https : settings.http;
  return wanted === null ? "direct (no proxy is set)" : "direct (NO_PROXY matches)";
}
