// How long an answer says it is. What comes from a site is a claim: a client keeps its socket for the next answer, perhaps another site's, so an answer that
// ends elsewhere than its head said must never pass for a whole one. Used by both exchanges.
import { Fault } from "../../shared/kit/errors.ts";
import type { ResponseHead } from "../../shared/wire/message.ts";

/** Content-Length of an answer, or null. Fault API_SERVER_BROKE for a length that is none, two of them, or a 101 that nobody asked for. */
export function responseLength(head: ResponseHead): number | null {
  let length: number | null = null;
  for (let index = 0; index + 1 < head.headers.length; index += 2) {
    if (head.headers[index] !== "content-length") continue;
    const value = head.headers[index + 1]!;
    if (length !== null || !/^\d{1,15}$/.test(value)) throw broken("its Content-Length is not one decimal number");
    length = Number(value);
  }
  if (head.status < 200) throw broken(`it answered ${head.status} to a request that asked for no upgrade`);
  return length;
}

function broken(why: string): Fault {
  return new Fault("API_SERVER_BROKE", { what: "the site's answer is not valid HTTP", why });
}
