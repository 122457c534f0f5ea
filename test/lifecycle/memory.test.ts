import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { runProgram } from "../support/compiled.js";
import { model125m, tinyModel } from "../support/models.js";

const mebibyte = 1 << 20;

/**
 * Makes what is resident follow what is in use. Each load has a thread of its own, and glibc gives threads arenas that keep what
 * was freed: with 4 MB in use between two rounds, 250 MB lay free in arenas, a new one of which comes into use now and then.
 */
const oneUntrimmedArena = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "4000000000",
  MALLOC_MMAP_THRESHOLD_: "1000000000",
};

/** V8's space for new objects grows in steps of 4 and 8 MB as it sees fit, also after hundreds of rounds. */
const steadyHeap = ["--expose-gc", "--min-semi-space-size=1", "--max-semi-space-size=1"];

describe("memory", () => {
  test("stays flat over 200 rounds of load, generate and dispose", async () => {
    const outcome = await runProgram(
      `const { loadModel } = await import(process.env.LIBRARY);
      const resident = [];
      for (let round = 1; round <= 200; round++) {
        const model = await loadModel(process.env.MODEL);
        const context = await model.createContext({ contextSize: 512 });
        await context.generate({ prompt: "Hello", maxTokens: 4, ignoreEos: true });
        await model.dispose();
        if (round % 50 === 0) { globalThis.gc(); resident.push(process.memoryUsage.rss()); }
      }
      console.log(JSON.stringify(resident));`,
      { MODEL: await tinyModel(), ...oneUntrimmedArena },
      { nodeOptions: steadyHeap, timeout: 170_000 },
    );
    expect(outcome).toMatchObject({ end: 0, stderr: "" });
    // The first hundred rounds compile what is hot, and fill the allocator's pools.
    const [, early = 0, , late = Infinity] = JSON.parse(outcome.stdout) as number[];
    // It was 0.2 MiB; a leak of one context (KV cache and buffers) a round would be far over 1 GB.
    expect(late - early).toBeLessThan(4 * mebibyte);
  });

  test.runIf(process.platform === "linux")(
    "after loading holds the weights once, not the mapped file beside them",
    async () => {
      const path = await model125m();
      const outcome = await runProgram(
        `const { readFileSync } = await import("node:fs");
      const { loadModel } = await import(process.env.LIBRARY);
      const { systemInfo } = await import(process.env.LIBRARY);
      systemInfo();
      const resident = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
      const before = resident();
      const model = await loadModel(process.env.MODEL);
      console.log(resident() - before);`,
        { MODEL: path },
      );
      expect(outcome.end).toBe(0);
      expect(Number(outcome.stdout)).toBeLessThan(readFileSync(path).length * 1.1);
    },
  );
});
