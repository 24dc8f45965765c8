// A Fault as a Kubernetes Status (apimachinery meta/v1 types.go), the one body kubectl prints. Carries our four parts: kubectl shows
// `message`; our own command line reads `details.causes`. Never Retry-After: kubectl would wait in silence for a minute and more (measured).
import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Fault } from "../../shared/kit/errors.ts";

export type AnyResponse = ServerResponse | Http2ServerResponse;

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  409: "Conflict",
  413: "RequestEntityTooLarge",
  429: "TooManyRequests",
  431: "RequestHeaderFieldsTooLarge",
  500: "InternalError",
  502: "BadGateway",
  503: "ServiceUnavailable",
  504: "Timeout",
};

export function statusBody(fault: Fault): Buffer {
  const code = fault.httpStatus;
  const hint = fault.hint === "" ? "" : `\n  try    ${fault.hint.split("\n").join("\n         ")}`;
  return Buffer.from(
    JSON.stringify({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: `${fault.message}: ${fault.why}${hint}\n  code   ${fault.code}`,
      reason: REASONS[code] ?? "Unknown",
      details: {
        causes: [
          { reason: "BowlineCode", message: fault.code },
          { reason: "BowlineWhat", message: fault.message },
          { reason: "BowlineWhy", message: fault.why },
          { reason: "BowlineTry", message: fault.hint },
        ],
      },
      code,
    }),
  );
}

/** A Fault as a whole HTTP/1.1 answer, octets and all: where there is no response object. HEAD gets no body: its octets would pass for the next answer. */
export function statusAnswer(fault: Fault, closes: boolean, method = "GET"): Buffer {
  const body = statusBody(fault);
  const status = fault.httpStatus;
  const challenge = status === 401 ? "www-authenticate: Bearer\r\n" : "";
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\ncache-control: no-store\r\n${challenge}${closes ? "connection: close\r\n" : ""}\r\n`;
  return method === "HEAD" ? Buffer.from(head, "latin1") : Buffer.concat([Buffer.from(head, "latin1"), body]);
}

/** Writes a Fault as the whole answer; nothing when an answer has begun. */
export function answerFault(response: AnyResponse, fault: Fault): void {
  if (response.headersSent || response.destroyed) return;
  const body = statusBody(fault);
  const headers: Record<string, string | number> = { "content-type": "application/json", "content-length": body.length, "cache-control": "no-store" };
  if (fault.httpStatus === 401) headers["www-authenticate"] = "Bearer";
  (response as ServerResponse).writeHead(fault.httpStatus, headers);
  (response as ServerResponse).end(body);
}

