// Time as an argument: what waits or reads a time takes a Clock, so that tests and the simulator move it by hand. Durations use
// `monoMs` only (a wall clock may jump); `wallMs` is for times that people read or that are agreed with another machine.

/** Cancels a timer; calling it twice, or after it fired, does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since 1970, as this machine believes. May jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, never going back. */
  monoMs(): number;
  /** Calls `wake` once after `delayMs` (>= 0). The timer does not keep the process alive on its own. */
  after(delayMs: number, wake: () => void): CancelTimer;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after(delayMs, wake) {
    const timer = setTimeout(wake, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason; leaves no timer and no listener behind. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const abort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    signal.addEventListener("abort", abort, { once: true });
  });
}

export interface Ceiling {
  /** Aborts with a TimeoutError when the time is over. */
  readonly signal: AbortSignal;
  /** What was limited has ended. */
  clear(): void;
}

/** A time limit that ends with what it limits: AbortSignal.timeout would keep its timer, and whatever listens to it, to the last second. */
export function ceiling(clock: Clock, delayMs: number): Ceiling {
  const abort = new AbortController();
  const clear = clock.after(delayMs, () => abort.abort(new DOMException(`it did not end within ${delayMs / 1000} s`, "TimeoutError")));
  return { signal: abort.signal, clear };
}
