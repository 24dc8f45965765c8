// Tests that need something of the machine (root, a command, a kernel feature): run where it is there, and loudly skipped with the reason where it is not, on
// stderr and in the test's own name, so that no summary can pass a skip off as a success.
import { describe, test } from "vitest";

/** `missing` is null when all is there. */
export function describeNeeding(missing: string | null, name: string, cases: () => void): void {
  if (missing === null) return void describe(name, cases);
  process.stderr.write(`\nSKIPPED ${name}: ${missing}\n`);
  test.skip(`${name} (SKIPPED: ${missing})`, () => {});
}
