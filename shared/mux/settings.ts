// What a mux is given when it is made, and what it can tell of itself. Pure, types only.
import type { LetterTotals } from "./letters.ts";
import type { Pacer } from "./pacer-type.ts";

export type MuxRole = "relay" | "agent";

export interface MuxSettings {
  readonly role: MuxRole;
  /** May hand out uninitialised memory. */
  readonly allocate: (octets: number) => Uint8Array;
  readonly peerStartCredit: number;
  readonly ownStartCredit: number;
  readonly peerLetterCredit: LetterTotals;
  readonly ownLetterCredit: LetterTotals;
  readonly random: () => number;
  readonly wallMs: () => number;
  readonly pacer: Pacer;
}

export interface MuxStats {
  readonly openStreams: number;
  readonly octetsOut: number;
  readonly inFlightOctets: number;
  readonly decodedOctets: number;
  readonly lateFrames: number;
  readonly capOctets: number;
  readonly roundTripMs: number;
  readonly grownOctets: number;
}
