// A clock that stands still until it is moved by hand: for tests and the simulator. Timers fire in the order of their times, each at its own time, also those
// that a timer sets. The wall may be set apart from the monotonic time, as on a machine whose clock was corrected.
import type { CancelTimer, Clock } from "./clock.ts";

interface Timer {
  readonly atMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  #monoMs = 0;
  #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();

  constructor(wallMs = 1_700_000_000_000) {
    this.#wallOffsetMs = wallMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  wallMs(): number {
    return this.#monoMs + this.#wallOffsetMs;
  }

  setWall(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#monoMs;
  }

  after(delayMs: number, wake: () => void): CancelTimer {
    const timer = { atMs: this.#monoMs + Math.max(0, delayMs), wake };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const untilMs = this.#monoMs + ms;
    for (let next = this.#next(untilMs); next !== null; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#monoMs = Math.max(this.#monoMs, next.atMs);
      next.wake();
    }
    this.#monoMs = untilMs;
  }

  /** Moves on and lets what waits for promises run, in steps, so that a loop that pauses between promises gets through. */
  async run(ms: number, steps = 20): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      this.advance(ms / steps);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  #next(untilMs: number): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) if (timer.atMs <= untilMs && (next === null || timer.atMs < next.atMs)) next = timer;
    return next;
  }
}
