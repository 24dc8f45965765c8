// Every named crash point is in the code, every one that is in the code has a name, and each is swept by kills of real processes. (The simulator draws from all names.)
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CRASH_POINTS } from "../shared/kit/crash.ts";
import { KILL_POINTS, START_POINTS } from "./e2e/kill-points.ts";
import { root } from "./e2e/place.ts";

function passed(): string[] {
  const names = new Set<string>();
  for (const side of ["agent", "relay", "shared"]) {
    for (const path of readdirSync(join(root, side), { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts") || path.endsWith(".test.ts")) continue;
      for (const [, name] of readFileSync(join(root, side, path), "utf8").matchAll(/crashPoint\("([a-z-]+)"\)/g)) names.add(name!);
    }
  }
  return [...names].sort();
}

test("the names and the code are the same", () => {
  expect(passed()).toEqual([...CRASH_POINTS].sort());
});

test("each is swept by kills of real processes", () => {
  const swept = new Set<string>([...KILL_POINTS.map(({ point }) => point), ...START_POINTS]);
  expect([...swept].sort()).toEqual([...CRASH_POINTS].sort());
});
