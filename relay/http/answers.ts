// JSON in and out of the API: bodies within their bound, answers whole, failures as RFC 9457 problems with our four parts. Nothing else writes to an API
// response.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Problem } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";

export type ApiRequest = IncomingMessage | Http2ServerRequest;
export type ApiResponse = ServerResponse | Http2ServerResponse;

/** A command of 4 MiB, as JSON inside JSON. */
const bodyBytesMax = 8 * 1_048_576;
/** Arrays and objects inside each other: Kubernetes' own schemas nest some sixty deep, and JSON.stringify runs out of stack at some thousands. */
const jsonDepthMax = 500;
/** A body must be here within this time (ms). */
const bodyMs = 60_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The JSON of a request's body. Faults BODY_TOO_LARGE, USAGE. */
export async function readJson(request: ApiRequest, octetsMax = bodyBytesMax): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let octets = 0;
  const ceiling = setTimeout(() => request.destroy(new Error("the body did not come in time")), bodyMs);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets > octetsMax) throw new Fault("BODY_TOO_LARGE", { what: "the request body is over its limit", why: `at most ${octetsMax / 1_024} KiB are read here`, hint: "split it" });
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(ceiling);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  if (text === "") return {};
  if (isDeeper(text, jsonDepthMax)) throw new Fault("USAGE", { what: "the request body is nested too deep", why: `at most ${jsonDepthMax} arrays and objects may stand inside each other`, hint: "write it flatter" });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Fault("USAGE", { what: "the request body is not JSON", why: (error as Error).message, hint: "send one JSON object, in UTF-8" });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Fault("USAGE", { what: "the request body is not a JSON object", why: "every call takes one object with named members", hint: "send { ... }" });
  return value as Record<string, unknown>;
}

/** True when brackets outside of texts are open more than `depthMax` deep. Looks at characters, so that nothing is built from what is too deep. */
function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) isInText = !isInText;
    else if (isInText) continue;
    else if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > depthMax) return true;
  }
  return false;
}

export function answerJson(response: ApiResponse, status: number, value: unknown): void {
  const body = value === undefined ? Buffer.alloc(0) : Buffer.from(`${JSON.stringify(value)}\n`);
  send(response, status, body, "application/json");
}

export function answerText(response: ApiResponse, status: number, text: string): void {
  send(response, status, Buffer.from(text), "text/plain; charset=utf-8");
}

export function answerProblem(response: ApiResponse, fault: Fault): void {
  const { retryAfterS } = fault.facts;
  send(response, fault.httpStatus, problemBody(fault, fault.httpStatus), "application/problem+json", typeof retryAfterS === "number" ? { "retry-after": String(retryAfterS) } : {});
}

/** A fault as RFC 9457 has it: also where it is one part of an answer. */
export function problemOf(fault: Fault, status = fault.httpStatus): Problem {
  return { type: `urn:bowline:fault:${fault.code}`, title: fault.message, status, detail: fault.why, code: fault.code, hint: fault.hint, facts: fault.facts };
}

function problemBody(fault: Fault, status: number): Buffer {
  return Buffer.from(`${JSON.stringify(problemOf(fault, status))}\n`);
}

/** A problem as a whole last answer of a socket, octets and all: where there is no response object. `headers`: lines, each with its CRLF. */
export function problemOctets(fault: Fault, status = fault.httpStatus, headers = ""): Buffer {
  const body = problemBody(fault, status);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\ncache-control: no-store\r\n${headers}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

function send(response: ApiResponse, status: number, body: Buffer, type: string, further: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent || response.destroyed) return;
  const plain = response as ServerResponse;
  plain.writeHead(status, { "content-type": type, "content-length": body.length, "cache-control": "no-store", "x-content-type-options": "nosniff", ...further });
  plain.end(body);
}
