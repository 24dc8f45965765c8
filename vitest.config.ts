// `npm test`: unit, property, golden vectors, house rules. No cluster, no network beyond loopback, under a minute. The slower rings have their own configuration.
import { defineConfig } from "vitest/config";

/** Rooms without any state of a process; they have no need of what the others load. In both projects the files share processes, which saves the start of one for each. */
const PURE = ["shared/{wire,mux,rules,trust}/**/*.test.ts", "test/{property,golden}/**/*.test.ts", "test/kit/kubesim/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: "forks",
    maxWorkers: "100%", // one core fewer is the default, half of a small machine
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      { extends: true, test: { name: "parts", isolate: false, include: ["{shared,agent,relay}/**/*.test.ts", "test/*.test.ts", "test/kit/**/*.test.ts", "test/kube/**/*.test.ts"], exclude: [...PURE, "**/node_modules/**"] } },
    ],
  },
});
