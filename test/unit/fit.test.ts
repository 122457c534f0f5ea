import { describe, expect, it } from "vitest";

import type { ContextWish } from "../../src/model/fit.js";
import { checkModelFits, contextBudget, fitContext } from "../../src/model/fit.js";
import type { KvType } from "../../src/model/ggml-types.js";
import { fitGpuLayers } from "../../src/model/gpu-layers.js";
import type { AvailableMemory } from "../../src/model/machine-memory.js";
import type { ContextPlan } from "../../src/model/memory-estimate.js";
import { cacheBytes, estimateMemory } from "../../src/model/memory-estimate.js";
import type { ModelShape } from "../../src/model/model-shape.js";
import type { NativeDevice } from "../../src/native/contract.js";

/** Mistral-7B, of which Q4_K_M and F16 differ in their weights alone. */
const mistral = (weightBytes: number): ModelShape => ({
  architecture: "llama",
  parameterCount: 7_241_732_096,
  weightBytes,
  outerWeightBytes: weightBytes * 0.04,
  layerCount: 32,
  contextLength: 32_768,
  embeddingLength: 4096,
  feedForwardLength: 14_336,
  headCount: 32,
  vocabularySize: 32_000,
  mergeCount: 0,
  keyLengths: Array.from({ length: 32 }, () => 1024),
  valueLengths: Array.from({ length: 32 }, () => 1024),
  stateBytes: 0,
  isExact: true,
});
const q4 = mistral(4_367_000_000);
const f16 = mistral(14_484_000_000);

const plan = (contextSize: number, kvType: KvType = "f16"): ContextPlan => ({
  contextSize,
  kvTypeK: kvType,
  kvTypeV: kvType,
  sequences: 4,
  microBatchSize: 512,
  flashAttention: "auto",
});
const wish = (more: Partial<ContextWish> = {}): ContextWish => ({
  contextSize: "auto",
  most: 32_768,
  kvType: { k: "f16", v: "f16" },
  sequences: 4,
  microBatchSize: 512,
  flashAttention: "auto",
  ...more,
});
const available = (bytes: number, more: Partial<AvailableMemory> = {}): AvailableMemory => ({
  bytes,
  limit: "memory",
  addressBytes: Infinity,
  ...more,
});

describe("the memory of Mistral-7B", () => {
  it.each<[KvType, number]>([
    ["f16", 128],
    ["q8_0", 68],
    ["q4_0", 36],
  ])("has a KV cache in %s of %i KiB a token", (type, kibibytes) => {
    expect(cacheBytes(q4, plan(4096, type))).toBe(4096 * kibibytes * 1024);
  });

  it("is near 15 GB in FP16, and 5 to 7 GB in 4 bits by its context", () => {
    expect(estimateMemory(f16, plan(4096)).totalBytes / 1e9).toBeCloseTo(15.2, 1);
    expect(estimateMemory(q4, plan(4096)).totalBytes / 1e9).toBeCloseTo(5.1, 1);
    expect(estimateMemory(q4, plan(12_288)).totalBytes / 1e9).toBeCloseTo(6.1, 1);
  });

  it("grows with cells in whole groups", () => {
    expect(cacheBytes(q4, plan(4097))).toBe(cacheBytes(q4, plan(4352)));
  });
});

describe("a context's fit", () => {
  it("is the whole context where that fits, in the finest type", () => {
    expect(fitContext(q4, wish({ kvType: "auto" }), 20e9)).toMatchObject({
      contextSize: 32_768,
      kvType: { k: "f16", v: "f16" },
    });
  });

  it("takes a coarser type rather than a smaller context", () => {
    expect(fitContext(q4, wish({ kvType: "auto" }), 3e9)).toMatchObject({ contextSize: 32_768, kvType: { k: "q8_0" } });
    expect(fitContext(q4, wish({ kvType: "auto" }), 1.5e9)).toMatchObject({
      contextSize: 32_768,
      kvType: { k: "q4_0" },
    });
    const small = fitContext(q4, wish({ kvType: "auto" }), 1e9);
    expect(small.kvType.k).toBe("q8_0");
    expect(small.contextSize).toBeGreaterThan(8192);
    expect(fitContext(q4, wish({ kvType: "auto" }), 0.25e9)).toMatchObject({ kvType: { k: "q4_0" } });
  });

  it.each([0.4e9, 0.7e9, 1.1e9, 2.345e9, 3.9e9])("is the largest that fits in %i bytes", (budget) => {
    const { contextSize, neededBytes } = fitContext(q4, wish(), budget);
    expect(contextSize % 256).toBe(0);
    expect(neededBytes).toBeLessThanOrEqual(budget);
    const next = estimateMemory(q4, plan(contextSize + 256));
    expect(next.cacheBytes + next.computeBytes).toBeGreaterThan(budget);
  });

  it("says what was chosen and why", () => {
    expect(fitContext(q4, wish(), 2e9).reason).toMatch(
      /^A context of 14\d{3} tokens, the most that fit, with a KV cache in f16: it takes [\d.]+ GB of 2\.00 GB that are available beside the model$/,
    );
  });

  it("keeps to flash attention's rules", () => {
    expect(fitContext(q4, wish({ kvType: "auto", flashAttention: "off", most: 8192 }), 8e9).kvType.v).toBe("f16");
  });

  it.each([
    [
      { contextSize: 32_768 },
      1.5e9,
      /^A context of 32768 tokens with a KV cache in f16 takes 4\.\d\d GB, but 1\.50 GB are available for it; a contextSize of \d+, or the kvType "q4_0" would fit$/,
    ],
    [
      { contextSize: 32_768, kvType: { k: "q4_0", v: "q4_0" } },
      0.8e9,
      /q4_0 takes 1\.\d\d GB, .*; a contextSize of \d+ would fit$/,
    ],
    [
      {},
      0.05e9,
      /^A context of 256 tokens .* takes \d+ MB, but 50 MB are available for it; free memory, or take a smaller model or quantization$/,
    ],
  ])("of %j in %i bytes is refused, with what would fit", (given, budget, message) => {
    expect(() => fitContext(q4, wish(given as Partial<ContextWish>), budget)).toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_MEMORY", message: expect.stringMatching(message) }),
    );
  });

  it("leaves room for weights that are still in the file, and a margin", () => {
    expect(contextBudget(available(10e9), 4e9)).toBe(6e9 - 0.4e9);
    expect(contextBudget(available(1e9), 2e9)).toBe(0);
    expect(contextBudget(available(10e9, { addressBytes: 1e9 }), 0)).toBe(0.84e9 - 48e6);
  });
});

describe("a model's fit", () => {
  const check = (shape: ModelShape, memory: AvailableMemory, mapped = false): void =>
    checkModelFits(shape, { mapped, offloadedBytes: 0 }, memory, "m.gguf");

  it("is accepted where it and a small context fit", () => {
    check(q4, available(5.1e9));
    check(f16, available(17e9));
    check(f16, available(2e9), true);
  });

  it.each([
    [
      f16,
      available(8e9),
      /^m\.gguf takes 14\.\d\d GB with a small context, but this machine leaves 7\.68 GB\. A quantization of Q6_K or less would fit\.$/,
    ],
    [
      q4,
      available(3.2e9, { limit: "container" }),
      /but the limit of this container or service leaves 3\.\d\d GB\. A quantization of Q2_K or less/,
    ],
    [q4, available(1e9), /A smaller model is needed\.$/],
    [q4, available(20e9, { addressBytes: 8e9 }), /but the limit of this process leaves 3\.47 GB\./],
  ])("is refused where it does not", (shape, memory, message) => {
    expect(() => check(shape, memory)).toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_MEMORY", message: expect.stringMatching(message) }),
    );
  });
});

describe("layers for a GPU", () => {
  const gpu = (freeBytes: number): NativeDevice[] => [
    { name: "CPU", description: "CPU", type: "cpu", backend: "CPU", freeBytes: 64e9, totalBytes: 64e9 },
    { name: "GPU0", description: "GPU", type: "gpu", backend: "X", freeBytes, totalBytes: 24e9 },
  ];

  it.each([
    [24e9, 33],
    [5.5e9, 33],
    [3e9, 18],
    [0.5e9, 2],
    [0.1e9, 0],
  ])("of %i free bytes are %i", (free, layers) => {
    expect(fitGpuLayers(q4, plan(4096), gpu(free)).layers).toBe(layers);
  });

  it("are none without one", () => {
    expect(fitGpuLayers(q4, plan(4096), gpu(0))).toEqual({ layers: 0, offloadedBytes: 0 });
  });
});
