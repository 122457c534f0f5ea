import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { runProgram } from "../support/compiled.js";
import { model125m, tinyModel } from "../support/models.js";

const mebibyte = 1 << 20;

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
        if (round % 25 === 0) { globalThis.gc(); resident.push(process.memoryUsage.rss()); }
      }
      console.log(JSON.stringify(resident));`,
      { MODEL: await tinyModel() },
      { nodeOptions: ["--expose-gc"], timeout: 170_000 },
    );
    expect(outcome).toMatchObject({ end: 0, stderr: "" });
    const resident = JSON.parse(outcome.stdout) as number[];
    expect(resident).toHaveLength(8);
    // A leak grows between any two looks. The allocator's pools grow now and then, by the size of a vocabulary (22 MB), when a
    // thread gets one that none had before; over 600 rounds such steps stood between stretches of 250 rounds within 0.5 MB.
    const growths = resident.slice(1).map((bytes, index) => bytes - (resident[index] ?? 0));
    const median = growths.sort((a, b) => a - b)[3];
    // 0.12 MiB a round. A leak of one context (KV cache and buffers) would be far over 1 GB in all.
    expect(median).toBeLessThan(3 * mebibyte);
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
