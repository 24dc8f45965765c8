// What a refusal looks like at a terminal: what, why, what to try, code, and the exit code that belongs to it.
import { expect } from "vitest";
import type { Finished } from "./place.ts";

/** The four parts of a fault on stderr, its exit code, and words that must be in it. */
export function expectFault(done: Finished, code: string, exit: number, ...words: readonly RegExp[]): void {
  expect(done.err).toMatch(/^error: .+\n {2}why {4}.+/m);
  expect(done.err).toContain(`code   ${code} (exit ${exit})`);
  expect(done.code).toBe(exit);
  for (const word of words) expect(done.err).toMatch(word);
}
