// What a mux is given when it is made: its role, both ends' credit, and everything that is not pure (memory, chance, the wall clock) as functions. Pure, types
// only. Made by link/link.ts.
import type { GrowthBudget } from "./credit.ts";
import type { LetterTotals } from "./letters.ts";
import type { Pacer } from "./pacer-type.ts";

export type MuxRole = "relay" | "agent";

export interface MuxSettings {
  readonly role: MuxRole;
  /** May hand out uninitialised memory. */
  readonly allocate: (octets: number) => Uint8Array;
  /** The same for heads, which wait until they are copied into a message. */
  readonly allocateRecord?: (octets: number) => Uint8Array;
  readonly peerStartCredit: number;
  readonly ownStartCredit: number;
  readonly peerLetterCredit: LetterTotals;
  readonly ownLetterCredit: LetterTotals;
  /** The ceiling of grown credit that all links of the process share. */
  readonly processBudget?: GrowthBudget;
  readonly random: () => number;
  readonly wallMs: () => number;
  readonly pacer: Pacer;
}
