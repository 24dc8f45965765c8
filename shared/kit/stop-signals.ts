// How a long-running process is asked to stop: once for an orderly end, twice for one at once. Called by the entries of agent and relay.

const EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * `stop` is called for the first signal of either kind, `end` for the second, with the signal's exit code (128 and its number). The listeners stay: between one
 * that is removed and the next that is set, a signal would kill without a word.
 */
export function onStopSignals(stop: (signal: keyof typeof EXIT) => void, end: (exitCode: number) => void): void {
  let isAsked = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (isAsked) return end(EXIT[signal]);
      isAsked = true;
      stop(signal);
    });
  }
}
