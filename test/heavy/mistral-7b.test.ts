import { spawn } from "node:child_process";
import { statSync } from "node:fs";

import { beforeAll, expect, test } from "vitest";

import { compiledCommand, runProgram } from "../support/compiled.js";
import { model7b } from "../support/models.js";

let path: string;

beforeAll(async () => {
  path = await model7b();
});

test("the 7B file loads and streams through the command", async () => {
  const args = ["complete", path, "-p", "Once upon a time", "--max-tokens", "12", "--ignore-eos"];
  const child = spawn(process.execPath, [compiledCommand(), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const arrivals: number[] = [];
  child.stdout.on("data", () => arrivals.push(performance.now()));
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect(code).toBe(0);
  expect(arrivals.length).toBeGreaterThan(5);
  const streamed = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
  expect(streamed).toBeGreaterThan(300); // tokens came one after the other, not all at the end
});

test.runIf(process.platform === "linux")("its peak memory is the weights, the KV cache and little more", async () => {
  const outcome = await runProgram(
    `const { readFileSync } = await import("node:fs");
    const { loadModel } = await import(process.env.LIBRARY);
    const model = await loadModel(process.env.MODEL);
    const context = await model.createContext({ contextSize: 4096 });
    await context.generate({ prompt: "Once upon a time", maxTokens: 8, ignoreEos: true });
    await model.dispose();
    console.log(Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024);`,
    { MODEL: path },
    { timeout: 300_000 },
  );
  expect(outcome.end).toBe(0);
  const kvCache = 4096 * 128 * 1024;
  expect(Number(outcome.stdout)).toBeLessThan(statSync(path).size + kvCache + 400e6);
});
