// Order inside a key on one link: a command waits for the verdict on the one that its letter names, and shares its fate only where that may pass. A command that
// was refused for good takes nobody with it, and one that was accepted after a refusal holds nobody back. Ends with its link.
import type { SettleStatus } from "../shared/outbox/courier.ts";

/** Letters that are held back for others; a relay has at most some thousand commands open at one site. Above it all are refused for the moment. */
const heldBackMax = 5_000;

export interface Named {
  readonly id: string;
  readonly after?: string;
}

export class LinkOrder {
  /** Verdicts that are being made, and those that hold successors back: refused for a reason that may pass. */
  readonly #verdicts = new Map<string, Promise<SettleStatus>>();

  /** The verdict on a letter, made by `judge` unless its predecessor is refused for now. */
  async judge(letter: Named, judge: () => Promise<SettleStatus>): Promise<SettleStatus> {
    if (this.#verdicts.size >= heldBackMax && !this.#verdicts.has(letter.id)) return "storage";
    const verdict = this.#judge(letter, judge);
    this.#verdicts.set(letter.id, verdict);
    const status = await verdict;
    if (!mayPass(status) && this.#verdicts.get(letter.id) === verdict) this.#verdicts.delete(letter.id);
    return status;
  }

  async #judge({ after }: Named, judge: () => Promise<SettleStatus>): Promise<SettleStatus> {
    // Looked up before anything is awaited: only what came earlier is waited for, so nothing waits for itself.
    const before = after === undefined ? undefined : this.#verdicts.get(after);
    const status = before === undefined ? "committed" : await before;
    return mayPass(status) ? status : judge();
  }
}

/** Refused now, and offered again when the reason is gone. */
function mayPass(status: SettleStatus): boolean {
  return status === "storage" || status === "trust";
}
