// What the mux asks of whoever decides how much may be under way on a link. RatePacer (pacer.ts) estimates it; FixedPacer serves tests and links
// whose bound is known. Pure: time is an argument, absolute milliseconds of one monotonic clock.
import { tlsRecordBytes } from "../wire/limits.ts";

export interface Pacer {
  /** Octets of BODY and LETTER that may leave now (>= 0). One frame may always be under way: with nothing in flight at least one frame is allowed. */
  allowance(nowMs: number): number;
  /** BODY and LETTER octets were put into a message; `socketWasEmpty`: nothing waited in the socket before. */
  sent(octets: number, nowMs: number, socketWasEmpty: boolean): void;
  /** The peer's ACK: absolute total since the link began. */
  acked(totalOctets: number, nowMs: number): void;
  /** The scheduler ran dry though allowance was left. */
  idle(reason: "nothing-to-send" | "no-credit", nowMs: number): void;
  readonly capOctets: number;
  readonly rateBytesPerS: number;
  readonly minRoundTripMs: number;
  readonly roundTripMs: number;
  /** A frame is at most a quarter of the cap (1 KiB to 16 KiB). */
  frameOctetsMax(): number;
  /** 20 ms at the estimated rate, between one frame and a TLS record. */
  messageOctetsMax(): number;
  /** Absolute ms at which the allowance may grow without an ACK; Infinity if never. */
  nextWakeMs(nowMs: number): number;
}

export class FixedPacer implements Pacer {
  readonly capOctets: number;
  readonly rateBytesPerS = Infinity;
  readonly minRoundTripMs = 1;
  readonly roundTripMs = 1;
  #sent = 0;
  #acked = 0;

  constructor(capOctets: number) {
    this.capOctets = capOctets;
  }

  allowance(): number {
    const inFlight = this.#sent - this.#acked;
    return inFlight === 0 ? Math.max(this.capOctets, this.frameOctetsMax()) : Math.max(0, this.capOctets - inFlight);
  }

  sent(octets: number): void {
    this.#sent += octets;
  }

  acked(totalOctets: number): void {
    this.#acked = totalOctets;
  }

  idle(): void {}

  frameOctetsMax(): number {
    return Math.min(tlsRecordBytes, Math.max(1_024, this.capOctets >> 2));
  }

  messageOctetsMax(): number {
    return tlsRecordBytes;
  }

  nextWakeMs(): number {
    return Infinity;
  }
}
