// A Fault as the reason text of a BYE or RESET, and back: code, what, why and hint on lines of their own, cut to the wire's bound, so
// that the person at the far end reads the same four parts. Text from a peer is a claim: control characters never reach a terminal.
import { Fault, isFaultCode, type FaultCode } from "../kit/errors.ts";
import { reasonBytesMax } from "../wire/limits.ts";

const partCharsMax = 300;

export function reasonOf(fault: Fault): string {
  const parts = [fault.code, fault.message, fault.why, fault.hint].map((part, index) => (index === 0 ? part : printable(part).slice(0, partCharsMax)));
  let reason = parts.join("\n");
  // A character is at most 3 octets per UTF-16 unit; only texts far from ASCII are cut here.
  while (Buffer.byteLength(reason) > reasonBytesMax) reason = reason.slice(0, -16);
  return reason;
}

/** The Fault a peer named, or one of `fallback` when its reason is not of our form. */
export function faultFromReason(fallback: FaultCode, what: string, reason: string): Fault {
  const [code, ...parts] = reason.split("\n");
  if (!isFaultCode(code)) return new Fault(fallback, reason === "" ? { what } : { what, why: printable(reason) });
  const [message = "", why = "", hint = ""] = parts.map(printable);
  return new Fault(code, { what: message === "" ? what : message, ...(why === "" ? {} : { why }), ...(hint === "" ? {} : { hint }) });
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
}
