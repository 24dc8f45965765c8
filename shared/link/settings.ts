// What a link is made from, and what it says when it is over. Types only.
import type { Clock } from "../kit/clock.ts";
import type { Fault } from "../kit/errors.ts";
import type { Logger } from "../kit/log.ts";
import type { Random } from "../kit/random.ts";
import type { LetterTotals } from "../mux/letters.ts";
import type { MuxRole } from "../mux/settings.ts";
import type { CodeName } from "../wire/codes.ts";
import type { LinkSocket } from "./link-socket.ts";

export interface LinkSettings {
  readonly role: MuxRole;
  readonly socket: LinkSocket;
  readonly peerStartCredit: number;
  readonly ownStartCredit: number;
  readonly peerLetterCredit: LetterTotals;
  readonly ownLetterCredit: LetterTotals;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface LinkEnd {
  /** Why, in words for `site describe` and for every stream that was open. */
  readonly fault: Fault;
  /** The code in the BYE that ended it, if there was one, and the hint that came with it. */
  readonly code: CodeName | null;
  readonly saidBy: "us" | "peer" | "nobody";
  readonly retryAfterMs: number;
}
