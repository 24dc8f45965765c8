// JSON in and out of the API: bodies within their bound, answers whole, failures as RFC 9457 problems with our four parts. Nothing else writes to an API
// response.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Problem } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";

export type ApiRequest = IncomingMessage | Http2ServerRequest;
export type ApiResponse = ServerResponse | Http2ServerResponse;

/** A command of 4 MiB, as JSON inside JSON. */
const bodyBytesMax = 8 * 1_048_576;
/** A body must be here within this time (ms). */
const bodyMs = 60_000;

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Fault("USAGE", { what: "the request body is not JSON", why: (error as Error).message });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Fault("USAGE", { what: "the request body is not a JSON object" });
  return value as Record<string, unknown>;
}

export function answerJson(response: ApiResponse, status: number, value: unknown): void {
  const body = value === undefined ? Buffer.alloc(0) : Buffer.from(`${JSON.stringify(value)}\n`);
  send(response, status, body, "application/json");
}

export function answerText(response: ApiResponse, status: number, text: string): void {
  send(response, status, Buffer.from(text), "text/plain; charset=utf-8");
}

export function answerProblem(response: ApiResponse, fault: Fault): void {
  const problem: Problem = { type: `urn:bowline:fault:${fault.code}`, title: fault.message, status: fault.httpStatus, detail: fault.why, code: fault.code, hint: fault.hint, facts: fault.facts };
  send(response, fault.httpStatus, Buffer.from(`${JSON.stringify(problem)}\n`), "application/problem+json");
}

function send(response: ApiResponse, status: number, body: Buffer, type: string): void {
  if (response.headersSent || response.destroyed) return;
  const plain = response as ServerResponse;
  plain.writeHead(status, { "content-type": type, "content-length": body.length, "cache-control": "no-store", "x-content-type-options": "nosniff" });
  plain.end(body);
}
