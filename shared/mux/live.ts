// When LIVE is due: while streams are open, and twice more after the last one ended, so that a stream which only the agent still has is found. Pure.
import { liveEveryMs } from "../wire/limits.ts";

/** What LIVE does not name in two of them in a row, the agent resets. */
const emptyLives = 2;

export class LiveTimer {
  dueMs = Infinity;
  #left = 0;

  /** A stream was opened. */
  opened(nowMs: number): void {
    if (this.#left === 0) this.dueMs = nowMs + liveEveryMs;
    this.#left = emptyLives;
  }

  /** LIVE was said, with streams or without. */
  said(openStreams: number, nowMs: number): void {
    this.#left = openStreams > 0 ? emptyLives : this.#left - 1;
    this.dueMs = this.#left > 0 ? nowMs + liveEveryMs : Infinity;
  }
}
