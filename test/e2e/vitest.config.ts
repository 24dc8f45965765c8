// `npm run test:e2e`: real processes on loopback, and the built product. One file at a time: they share two cores with the processes that they start.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/e2e/**/*.test.ts", "deploy/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000, pool: "forks", fileParallelism: false },
});
