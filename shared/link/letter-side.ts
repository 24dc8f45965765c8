// What a link tells of its letters: the courier's side of it, declared here because link knows outbox and not the other way round.
import type { Mux } from "../mux/mux.ts";
import type { LetterPort } from "../outbox/courier.ts";
import type { LetterStatus } from "../wire/message.ts";

export type { LetterPort };

export interface LetterSide {
  onLetterChunk(number: number, offset: number, total: number, chunk: Uint8Array): void;
  /** The peer has acknowledged the letter's last octet; its receipt may take a commit longer. */
  onLetterAcked(handle: string): void;
  onSettled(handle: string, status: LetterStatus): void;
  onLetterRoom(): void;
  onLinkEnd(): void;
}

/** A mux's letters as a courier sees them; `poke` sends what came in at the end of the turn, `isShared` says whether streams have the link. */
export function letterPortOf(mux: Mux, isShared: () => boolean, poke: () => void): LetterPort {
  return {
    get isShared() {
      return isShared();
    },
    get letterRoom() {
      return mux.letterRoom;
    },
    offerLetter: (letter) => {
      mux.offerLetter(letter);
      poke();
    },
    settleLetter: (number, status) => {
      mux.settleLetter(number, status);
      poke();
    },
    grantLetters: (total) => {
      mux.grantLetters(total);
      poke();
    },
  };
}
