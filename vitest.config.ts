// `npm test`: unit, property and house rules. No cluster, no network beyond loopback, under a minute. The slower rings have their own configuration.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{shared,agent,relay}/**/*.test.ts", "test/*.test.ts", "test/{property,golden,kit}/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: "forks",
  },
});
