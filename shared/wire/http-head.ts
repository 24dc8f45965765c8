// HTTP/1.1 heads, strictly (RFC 9112): text in, structure out, and back. Refuses whatever two readers could take differently: folded lines, bare CR or LF, space
// before a colon, a length twice or beside chunked, a coding other than exactly "chunked". Stricter than Node's parser wherever they differ, never laxer (a
// differential fuzz in test/property proves it). Heads come as one character per octet. Pure. Used by relay/http and agent/kube.
import { Fault } from "../kit/errors.ts";
import { headPairsMax } from "./limits.ts";

export interface RequestLine {
  readonly method: string;
  /** As on the wire: begins with "/", octets 0x21 to 0x7e. */
  readonly target: string;
  /** Of HTTP/1.x: 0 or 1. */
  readonly minor: 0 | 1;
}

export interface StatusLine {
  readonly status: number;
  readonly minor: 0 | 1;
}

export interface HeaderBlock {
  /** name, value, name, value in the order of the wire; names in lower case, values without the white space around them. */
  readonly pairs: readonly string[];
  /** Null when there is no Content-Length. */
  readonly contentLength: number | null;
  readonly isChunked: boolean;
  /** Connection names "close"; "keep-alive"; "upgrade". */
  readonly saysClose: boolean;
  readonly saysKeepAlive: boolean;
  readonly saysUpgrade: boolean;
  readonly expectsContinue: boolean;
}

/** Methods of RFC 9110 and RFC 5789 that carry requests of Kubernetes clients. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** 2^53 has 16 digits: 15 are always exact. */
const lengthDigitsMax = 15;

const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;
/** What an octet may be part of. */
const CLASSES = new Uint8Array(256);
for (let code = 0x20; code < 0x100; code += 1) if (code !== 0x7f) CLASSES[code]! |= VALUE;
CLASSES[0x09]! |= VALUE;
for (let code = 0x21; code < 0x7f; code += 1) CLASSES[code]! |= TARGET;
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") CLASSES[char.charCodeAt(0)]! |= TOKEN;

function consistsOf(text: string, from: number, to: number, wanted: number): boolean {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0xff || (CLASSES[code]! & wanted) === 0) return false;
  }
  return true;
}

function malformed(why: string): Fault {
  return new Fault("HEAD_MALFORMED", { what: "the message is not valid HTTP/1.1", why, hint: "check what sends it, and what stands in between" });
}

/** `METHOD SP target SP HTTP/1.x`, without its CRLF. Fault HEAD_MALFORMED; METHOD_REFUSED for a method that is not forwarded. */
export function parseRequestLine(line: string): RequestLine {
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  if (first < 1 || second <= first + 1) throw malformed("its first line is not METHOD SP target SP version");
  const minor = versionMinor(line, second + 1);
  if (line.length !== second + 9) throw malformed("its first line goes on behind the version");
  if (line.charCodeAt(first + 1) !== 0x2f) throw malformed("its target is not in origin form (it does not begin with /)");
  if (!consistsOf(line, first + 1, second, TARGET)) throw malformed("its target holds an octet that must be percent-encoded");
  const method = line.slice(0, first);
  if (!METHODS.has(method)) {
    if (!consistsOf(line, 0, first, TOKEN)) throw malformed("its method is not a token");
    throw new Fault("METHOD_REFUSED", { what: `the method ${method.slice(0, 16)} is not forwarded`, why: `${[...METHODS].join(", ")} are`, hint: "use one of those" });
  }
  return { method, target: line.slice(first + 1, second), minor };
}

/** `HTTP/1.x SP 3DIGIT [SP reason]`, without its CRLF. */
export function parseStatusLine(line: string): StatusLine {
  const minor = versionMinor(line, 0);
  if (line.charCodeAt(8) !== 0x20) throw malformed("its status line has no space behind the version");
  const status = digits(line, 9, 12);
  if (status < 100 || status > 599) throw malformed("its status is not a number from 100 to 599");
  if (line.length > 12 && (line.charCodeAt(12) !== 0x20 || !consistsOf(line, 13, line.length, VALUE))) throw malformed("its reason phrase holds a control character");
  return { status, minor };
}

function versionMinor(line: string, at: number): 0 | 1 {
  if (line.startsWith("HTTP/1.1", at)) return 1;
  if (line.startsWith("HTTP/1.0", at)) return 0;
  throw malformed("its version is neither HTTP/1.1 nor HTTP/1.0");
}

function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Header lines, each with its CRLF, from `at` to the end of `text`; the empty line behind them is not part of it. Faults: HEAD_MALFORMED, HEAD_TOO_LARGE, HEADER_REFUSED. */
export function parseHeaderBlock(text: string, at = 0): HeaderBlock {
  const pairs: string[] = [];
  const facts = { contentLength: null as number | null, isChunked: false, saysClose: false, saysKeepAlive: false, saysUpgrade: false, expectsContinue: false };
  for (let start = at; start < text.length; ) {
    const end = text.indexOf("\r\n", start);
    if (end === -1) throw malformed("a header line has no end");
    const colon = text.indexOf(":", start);
    if (colon <= start || colon > end || !consistsOf(text, start, colon, TOKEN)) throw malformed("a header's name is not a token directly in front of its colon");
    let from = colon + 1;
    let to = end;
    while (from < to && isBlank(text.charCodeAt(from))) from += 1;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
    if (!consistsOf(text, from, to, VALUE)) throw malformed("a header's value holds a control character");
    if (pairs.length >= 2 * headPairsMax) throw new Fault("HEAD_TOO_LARGE", { what: "the message has too many headers", why: `at most ${headPairsMax} are read`, hint: "send fewer" });
    const name = text.slice(start, colon).toLowerCase();
    const value = text.slice(from, to);
    pairs.push(name, value);
    if (FRAMING.has(name)) {
      // Not every reader takes a tab for white space there, and these four decide where the message ends.
      if (text.slice(colon, end).includes("\t")) throw malformed(`its ${name} holds a tab`);
      note(facts, name, value);
    }
    start = end + 2;
  }
  if (facts.isChunked && facts.contentLength !== null) throw new Fault("HEADER_REFUSED", { what: "the message has Content-Length and Transfer-Encoding", why: "two readers would not agree on where it ends", hint: "send one of the two" });
  return { pairs, ...facts };
}

const FRAMING = new Set(["content-length", "transfer-encoding", "connection", "expect"]);

function note(facts: { -readonly [Key in keyof Omit<HeaderBlock, "pairs">]: HeaderBlock[Key] }, name: string, value: string): void {
  if (name === "content-length") {
    if (facts.contentLength !== null) throw new Fault("HEADER_REFUSED", { what: "the message has Content-Length twice", why: "two readers would not agree on where it ends", hint: "send it once" });
    const length = value.length === 0 || value.length > lengthDigitsMax ? -1 : digits(value, 0, value.length);
    if (length === -1) throw malformed("its Content-Length is not a decimal number");
    facts.contentLength = length;
  } else if (name === "transfer-encoding") {
    if (facts.isChunked || value.toLowerCase() !== "chunked") throw new Fault("HEADER_REFUSED", { what: "the message has a Transfer-Encoding that is not exactly chunked", why: "two readers would not agree on where it ends", hint: "send Transfer-Encoding: chunked once, or a Content-Length" });
    facts.isChunked = true;
  } else if (name === "expect") {
    if (value.toLowerCase() !== "100-continue") throw new Fault("HEADER_REFUSED", { what: `the expectation ${value.slice(0, 32)} cannot be met`, why: "100-continue is the only one there is (RFC 9110 section 10.1.1)", hint: "leave the Expect header out" });
    facts.expectsContinue = true;
  } else {
    for (const part of value.split(",")) {
      const word = part.trim().toLowerCase();
      if (word === "close") facts.saysClose = true;
      else if (word === "keep-alive") facts.saysKeepAlive = true;
      else if (word === "upgrade") facts.saysUpgrade = true;
    }
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Header lines of pairs that were validated before (wire/message or parseHeaderBlock), each with its CRLF. */
export function headerLines(pairs: readonly string[]): string {
  let text = "";
  for (let index = 0; index + 1 < pairs.length; index += 2) text += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return text;
}
