// When the last octet of a link came. Messages alone do not tell: a cut in the middle of one leaves octets that no message ever announces, and whoever first sees
// them when a verdict is due would take old octets for new life and judge seconds late. So every read is told as it comes, and once, a moment after the last one,
// the socket's count is looked at again for what ends inside a TLS record. Made by link.ts; ends with its link.
import type { CancelTimer, Clock } from "../kit/clock.ts";
import type { LinkSocket } from "./link-socket.ts";

/** What the last read left behind of a TLS record has arrived by then (ms); the most that a verdict can be late by. */
const lookAgainMs = 1_000;

export class Hearing {
  readonly #clock: Clock;
  readonly #tell: (nowMs: number) => void;
  #lastReadMs = 0;
  #isArmed = false;
  #hasEnded = false;
  #cancel: CancelTimer = () => {};

  /** `tell` looks at the socket's count of octets. */
  constructor(socket: LinkSocket, clock: Clock, tell: (nowMs: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
    socket.onRead(() => this.#read());
  }

  #read(): void {
    if (this.#hasEnded) return;
    this.#lastReadMs = this.#clock.monoMs();
    this.#tell(this.#lastReadMs);
    if (!this.#isArmed) this.#arm(lookAgainMs);
  }

  #arm(delayMs: number): void {
    this.#isArmed = true;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#isArmed = false;
      const now = this.#clock.monoMs();
      const leftMs = this.#lastReadMs + lookAgainMs - now;
      if (leftMs > 0) this.#arm(leftMs);
      else this.#tell(now);
    });
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancel();
  }
}
