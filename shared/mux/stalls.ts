// Streams that hold what others need: while the ceiling of grown credit is reached, a stream whose reader has not taken much for seconds is reset (link.md section
// 3). Asked from the mux's tick, about once a second and only then. Pure.
import type { Mux } from "./mux.ts";

const lookEveryMs = 1_000;

export class StallWatch {
  readonly #mux: Mux;
  #lookMs = -Infinity;

  constructor(mux: Mux) {
    this.#mux = mux;
  }

  /** Infinity while there is room for all. */
  get dueMs(): number {
    return this.#mux.budget.isReached ? this.#lookMs : Infinity;
  }

  tick(nowMs: number): void {
    if (nowMs < this.dueMs) return;
    this.#lookMs = nowMs + lookEveryMs;
    for (const stream of this.#mux.streams.values()) {
      if (!stream.in.isStalled(nowMs)) continue;
      this.#mux.control.resets.set(stream.id, { code: "stalled", reason: "" });
      this.#mux.endStream(stream, "stalled", "its reader held its octets for seconds while room was short", true);
    }
  }
}
