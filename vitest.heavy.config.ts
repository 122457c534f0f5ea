import { defineConfig } from "vitest/config";

/** Tests with files of several gigabytes: `npm run test:heavy`. They are not part of `npm test`. */
export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: "test/support/compile.ts",
    include: ["test/heavy/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
  },
});
