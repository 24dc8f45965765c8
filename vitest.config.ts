// `npm test`: unit, property, golden vectors, house rules. No cluster, no network beyond loopback, under a minute. The slower rings have their own configuration.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{shared,agent,relay,deploy}/**/*.test.ts", "test/*.test.ts", "test/{property,golden,kit}/**/*.test.ts", "test/kube/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: "forks",
    maxWorkers: "100%", // one core fewer is the default, half of a small machine
  },
});
