// How a link ends in order: who said BYE first and why, and how long streams and receipts may still take. And the watch over a socket that takes nothing any
// more. Both only answer questions; link.ts acts.
import type { Fault } from "../kit/errors.ts";
import type { CodeName } from "../wire/codes.ts";
import { socketStuckBytes, socketStuckMs } from "../wire/limits.ts";

/** Streams get this long (ms) to end by themselves after BYE, unless the caller says otherwise. */
export const drainMsDefault = 10_000;
/** Whoever says BYE ends the link when its own time is over; the other end waits for that no longer than this (ms). */
export const heardDrainMsMax = 3_600_000;
/** While the last octets leave, the socket is looked at this often (ms). */
export const drainLookMs = 10;

export interface Farewell {
  readonly code: CodeName;
  readonly saidBy: "us" | "peer";
  readonly retryAfterMs: number;
  readonly fault: Fault;
  /** Monotonic ms; what is open then is cut. */
  readonly beforeMs: number;
}

export class StuckWatch {
  #leftOctets = 0;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** True when more than `socketStuckBytes` wait and not an octet has left for `socketStuckMs`. */
  isStuck(leftOctets: number, bufferedOctets: number, nowMs: number): boolean {
    if (leftOctets !== this.#leftOctets || bufferedOctets <= socketStuckBytes) {
      this.#leftOctets = leftOctets;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs >= socketStuckMs;
  }
}
