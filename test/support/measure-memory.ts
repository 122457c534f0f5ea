import type { KvType } from "../../src/model/ggml-types.js";
import { cpuMicroBatchSize, estimateMemory } from "../../src/model/memory-estimate.js";
import { readModelShape } from "../../src/model/model-memory.js";
import { runProgram } from "./compiled.js";

export interface MeasuredContext {
  contextSize: number;
  kvType: KvType;
  /** Tokens of the prompt that fills the context; by default all that fit. */
  promptTokens?: number;
  /** Whether weights are rearranged in memory, instead of staying in the mapped file. Default true. */
  repack?: boolean;
}

export interface Measured {
  estimatedBytes: number;
  /** Resident memory of a process with the model and a full context, beyond that with the addon alone. Linux only. */
  measuredBytes: number;
}

/** Estimates by a file's header what it takes, and measures it in a process of its own. */
export async function measureMemory(
  path: string,
  { contextSize, kvType, promptTokens, repack = true }: MeasuredContext,
): Promise<Measured> {
  const outcome = await runProgram(
    `const { readFileSync } = await import("node:fs");
    const { loadModel, systemInfo } = await import(process.env.LIBRARY);
    systemInfo();
    const resident = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
    globalThis.gc();
    const before = resident();
    const model = await loadModel(process.env.MODEL, { repack: ${repack} });
    const context = await model.createContext({ contextSize: ${contextSize}, kvType: "${kvType}" });
    const length = ${promptTokens ?? contextSize - 20};
    const { vocabularySize } = model.info;
    const tokens = Int32Array.from({ length }, (_, index) => 3 + (index * 7919) % (vocabularySize - 3));
    await context.generate({ tokens, maxTokens: 8, ignoreEos: true, temperature: 0.8 });
    globalThis.gc();
    console.log(resident() - before);
    await model.dispose();`,
    { MODEL: path },
    { nodeOptions: ["--expose-gc"], timeout: 550_000 },
  );
  if (outcome.end !== 0) throw new Error(`Measuring ended with ${String(outcome.end)}: ${outcome.stderr}`);
  const estimate = estimateMemory(await readModelShape(path), {
    contextSize,
    kvTypeK: kvType,
    kvTypeV: kvType,
    sequences: 4,
    microBatchSize: cpuMicroBatchSize,
    flashAttention: "auto",
  });
  return { estimatedBytes: estimate.totalBytes, measuredBytes: Number(outcome.stdout) };
}
