// The codes of BYE, STOP and RESET (PROTOCOL.md section 1) and the product's Fault codes that they stand for. Pure. Only ever appended.
import type { FaultCode } from "../kit/errors.ts";

export const CODES = [
  ["none", "LINK_LOST"],
  ["unspecified", "LINK_LOST"],
  ["protocol", "FRAME_MALFORMED"],
  ["draining", "DRAINING"],
  ["replaced", "LINK_REPLACED"],
  ["late", "LINK_LATE"],
  ["refused", "HANDSHAKE_REFUSED"],
  ["waiting", "SITE_WAITING"],
  ["silent", "LINK_SILENT"],
  ["busy", "TOO_MANY"],
  ["cancelled", "CANCELLED"],
  ["unreadable", "CANCELLED"],
  ["overrun", "CREDIT_OVERRUN"],
  ["head", "HEAD_TOO_LARGE"],
  ["upstream-down", "API_SERVER_DOWN"],
  ["upstream-tls", "API_SERVER_TLS"],
  ["upstream-broke", "API_SERVER_BROKE"],
  ["policy", "POLICY_REFUSED"],
  ["stalled", "STREAM_STALLED"],
  ["stuck", "LINK_SILENT"],
  ["bug", "BUG"],
] as const satisfies readonly (readonly [string, FaultCode])[];

export type CodeName = (typeof CODES)[number][0];

const NUMBERS = new Map<CodeName, number>(CODES.map(([name], number) => [name, number]));

export function codeNumber(name: CodeName): number {
  return NUMBERS.get(name)!;
}

/** An unknown number is "unspecified": a newer peer may know more codes. */
export function codeName(number: number): CodeName {
  return CODES[number]?.[0] ?? "unspecified";
}

export function faultCodeOf(name: CodeName): FaultCode {
  return CODES[codeNumber(name)]![1];
}
