import { defineConfig } from "vitest/config";

interface Kind {
  name: string;
  /** Milliseconds for one test. */
  timeout: number;
  group: number;
  workers: number;
}

/** One more than there are cores in the smallest machine: the hub's tests sit out the pauses between tries. */
const quick = { group: 0, workers: 3 };
/** One file at a time: the engine's threads spin while they wait, and two engines would fight for the cores. */
const engine = { group: 1, workers: 1 };

const kinds: Kind[] = [
  { name: "unit", timeout: 10_000, ...quick },
  { name: "core", timeout: 120_000, ...quick },
  { name: "install", timeout: 60_000, ...quick },
  { name: "hub", timeout: 60_000, ...quick },
  { name: "types", timeout: 60_000, ...quick },
  { name: "native", timeout: 120_000, ...engine },
  { name: "model", timeout: 120_000, ...engine },
  { name: "lifecycle", timeout: 180_000, ...engine },
  { name: "server", timeout: 120_000, ...engine },
  { name: "cli", timeout: 120_000, ...engine },
];

export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: "test/support/compile.ts",
    projects: kinds.map(({ name, timeout, group, workers }) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        pool: "forks",
        testTimeout: timeout,
        hookTimeout: timeout,
        maxWorkers: workers,
        sequence: { groupOrder: group },
      },
    })),
  },
});
