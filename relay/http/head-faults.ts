// What can be wrong with a request's head before its request is known, in words: the same whoever reads the head, our codec or the library.
import { Fault } from "../../shared/kit/errors.ts";

export function headTooLarge(octetsMax: number): Fault {
  return new Fault("HEAD_TOO_LARGE", { what: "the request head is too large", why: `it is over ${octetsMax / 1_024} KiB`, hint: "send fewer or shorter headers, and a shorter address" });
}

export function headUnfinished(forMs: number): Fault {
  return new Fault("HEAD_MALFORMED", { what: "the request head does not come to its end", why: `it has taken over ${forMs / 1_000} s`, hint: "send the head at once, with an empty line behind it" });
}

export function bareLines(): Fault {
  return new Fault("HEAD_MALFORMED", { what: "the message is not valid HTTP/1.1", why: "its lines end with a bare LF", hint: "end each line of the head with CR LF" });
}

export function noHttp(why: string): Fault {
  return new Fault("HEAD_MALFORMED", { what: "the message is not valid HTTP/1.1", why, hint: "check what the client sends, and what stands in between" });
}

export function tooManyHalfHeads(): Fault {
  return new Fault("TOO_MANY", { what: "too many request heads are half sent", why: "they hold as much memory as they may", hint: "send whole heads, or fewer at once" });
}
