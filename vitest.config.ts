// `npm test`: unit, property, golden vectors, house rules. No cluster, no network beyond loopback, under a minute. The slower rings have their own configuration.
import { defineConfig } from "vitest/config";

/** Rooms without any state of a process: their files share one, which saves the start of some sixty (a third of a second each). */
const PURE = ["shared/{wire,mux,rules,trust}/**/*.test.ts", "test/{property,golden}/**/*.test.ts", "test/kit/kubesim/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: "forks",
    maxWorkers: "100%", // one core fewer is the default, half of a small machine
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      { extends: true, test: { name: "parts", include: ["{shared,agent,relay,deploy}/**/*.test.ts", "test/*.test.ts", "test/kit/**/*.test.ts", "test/kube/**/*.test.ts"], exclude: [...PURE, "**/node_modules/**"] } },
    ],
  },
});
