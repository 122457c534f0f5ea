import { describe, expect, it } from "vitest";

import type { ContextPlace, ContextWish } from "../../src/model/fit.js";
import { checkModelFits, contextBudget, fitContext } from "../../src/model/fit.js";
import type { KvType } from "../../src/model/ggml-types.js";
import { fitGpuLayers, placeLayers, usualContext } from "../../src/model/gpu-layers.js";
import type { AvailableMemory } from "../../src/model/machine-memory.js";
import type { ContextPlan } from "../../src/model/memory-estimate.js";
import { cacheBytes, computeBytes, estimateMemory } from "../../src/model/memory-estimate.js";
import type { ModelShape } from "../../src/model/model-shape.js";
import type { DeviceMemory, Placement } from "../../src/model/placement.js";
import {
  contextNeeds,
  devicesOfLayers,
  gpusAmong,
  inRam,
  layerDevices,
  totalBytes,
  weightNeeds,
} from "../../src/model/placement.js";
import { mistral } from "./mistral-shape.js";

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
  batchSize: 512,
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

describe("the memory of a model", () => {
  it("with windows has a second mask, and knows of two caches' cells whose they are", () => {
    const cells = 32_768;
    const rows = 520; // a step's 512 tokens, by what 20 sequences share equally
    const more = computeBytes({ ...q4, windows: "some" }, plan(cells)) - computeBytes(q4, plan(cells));
    expect(more / (2 * rows * cells + 100 * cells)).toBeCloseTo(1, 1);
    expect(cacheBytes({ ...q4, windows: "some" }, plan(cells))).toBe(cacheBytes(q4, plan(cells)));
  });

  const none = q4.keyLengths.map(() => 0);
  const recurrent: ModelShape = { ...q4, keyLengths: none, valueLengths: none, stateBytes: none.map(() => 1e6) };

  it("with states has one for each of twice as many sequences as run, whatever the context", () => {
    expect(cacheBytes(recurrent, plan(4096))).toBe(8 * 32e6);
    expect(cacheBytes(recurrent, plan(16_384))).toBe(8 * 32e6);
  });

  it("with states has those of its checkpoints too, up to a limit", () => {
    const kept = (size: number): number =>
      computeBytes(recurrent, plan(size)) - computeBytes({ ...recurrent, windows: "all" }, plan(size));
    const bookkeeping = (size: number): number => 100 * size; // of the cells of windows
    expect(kept(512) + bookkeeping(512)).toBeCloseTo(4 * 32e6, 0);
    expect(kept(4096) + bookkeeping(4096)).toBeCloseTo(256 << 20, 0);
  });

  it("with states may have more checkpoints by many short messages, which fits count", () => {
    const small: ModelShape = { ...recurrent, stateBytes: none.map(() => 10_000) };
    const [fit, shown] = [contextNeeds(small, plan(4096)).ram, estimateMemory(small, plan(4096))];
    expect(fit - shown.cacheBytes - shown.computeBytes).toBe((128 - 14) * 320_000);
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
    checkModelFits(shape, { mapped, placement: inRam }, memory, "m.gguf");

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
    // Room for its quantization's usual bits, of which it has some more itself.
    [mistral(4.45e9), available(4.74e9), /A quantization of Q3_K_M or less would fit\.$/],
    [q4, available(1e9), /A smaller model is needed\.$/],
    [q4, available(20e9, { addressBytes: 8e9 }), /but the limit of this process leaves 3\.47 GB\./],
  ])("is refused where it does not", (shape, memory, message) => {
    expect(() => check(shape, memory)).toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_MEMORY", message: expect.stringMatching(message) }),
    );
  });
});

const gpu = (freeBytes: number, more: Partial<DeviceMemory> = {}): DeviceMemory => ({
  name: "GPU0",
  freeBytes,
  sharesRam: false,
  ...more,
});

describe("devices that layers go to", () => {
  const device = (type: "cpu" | "gpu" | "integrated-gpu", freeBytes: number, backend = "CUDA") => {
    return { name: `${type}0`, description: "", type, backend, freeBytes, totalBytes: freeBytes, splitsRows: false };
  };

  it("are GPUs, and integrated ones only without them, with the machine's memory", () => {
    const all = [device("cpu", 64e9), device("gpu", 10e9), device("integrated-gpu", 8e9)];
    expect(layerDevices(gpusAmong(all), 64e9)).toEqual([{ name: "gpu0", freeBytes: 9.4e9, sharesRam: false }]);
    expect(layerDevices(gpusAmong([all[0]!, all[2]!]), 64e9)).toEqual([
      { name: "integrated-gpu0", freeBytes: 7.52e9, sharesRam: true },
    ]);
    expect(layerDevices(gpusAmong([all[0]!]), 64e9)).toEqual([]);
  });

  it("have the machine's memory where they tell of none, and on Apple's", () => {
    expect(layerDevices([device("gpu", 0)], 10e9)).toEqual([{ name: "gpu0", freeBytes: 9.4e9, sharesRam: true }]);
    expect(layerDevices([device("gpu", 4e9, "Metal")], 10e9)[0]).toMatchObject({ sharesRam: true });
  });

  it("get the output first, and then the last layers, by their free memory", () => {
    expect(devicesOfLayers(4, { gpuLayers: 2, devices: [gpu(1e9)] })).toEqual([undefined, undefined, undefined, 0, 0]);
    expect(devicesOfLayers(3, { gpuLayers: 99, devices: [gpu(3e9), gpu(1e9)] })).toEqual([0, 0, 0, 1]);
    expect(devicesOfLayers(2, { gpuLayers: 3, devices: [] })).toEqual([undefined, undefined, undefined]);
  });
});

describe("layers on several devices", () => {
  const devices = [gpu(3e9), gpu(1e9, { name: "GPU1" })];
  const all = (more: Partial<Placement> = {}): Placement => ({ gpuLayers: 33, devices, ...more });
  const share = (placement: Placement): number[] =>
    weightNeeds(q4, placement).devices.map((bytes) => bytes / q4.weightBytes);

  it("are divided by proportions where these are given", () => {
    expect(devicesOfLayers(3, { gpuLayers: 4, devices, split: [1, 3] })).toEqual([0, 1, 1, 1]);
    expect(devicesOfLayers(3, { gpuLayers: 4, devices, split: [0, 1] })).toEqual([1, 1, 1, 1]);
    expect(share(all({ split: [0, 5] }))).toEqual([0, expect.closeTo(0.98, 6)]);
  });

  it("are divided by rows with the cache of a layer in one place", () => {
    expect(share(all({ rows: true }))).toEqual([expect.closeTo(0.735, 6), expect.closeTo(0.245, 6)]);
    expect(share(all({ rows: true, split: [1, 1] }))).toEqual([expect.closeTo(0.49, 6), expect.closeTo(0.49, 6)]);
    expect(contextNeeds(q4, plan(4096), all({ rows: true }))).toEqual(contextNeeds(q4, plan(4096), all()));
  });

  it("without some of their tensors leave these where they are to be", () => {
    const overridden = [
      { layer: 31, bytes: 1e8, device: "CPU" },
      { layer: 0, bytes: 2e8, device: "GPU1" },
      { layer: undefined, bytes: 5e7, device: "GPU0" },
    ];
    const before = weightNeeds(q4, all());
    const after = weightNeeds({ ...q4, overridden }, all());
    expect(after.devices[0]! - before.devices[0]!).toBeCloseTo(-2e8 + 5e7, 0);
    expect(after.devices[1]! - before.devices[1]!).toBeCloseTo(-1e8 + 2e8, 0);
    expect(after.ram - before.ram).toBeCloseTo(1e8 - 5e7, 0);
    // Where all that is big is kept in RAM, all layers fit.
    const experts = Array.from({ length: 32 }, (_, layer) => ({ layer, bytes: 1.2e8, device: "CPU" }));
    const usual = fitGpuLayers(q4, plan(4096), { devices: [gpu(2e9)] });
    const kept = fitGpuLayers({ ...q4, overridden: experts }, plan(4096), { devices: [gpu(2e9)] });
    expect([usual.gpuLayers, kept.gpuLayers]).toEqual([12, 33]);
  });
});

describe("what a model takes of devices and of RAM", () => {
  const half: Placement = { gpuLayers: 17, devices: [gpu(24e9)] };
  const all: Placement = { gpuLayers: 33, devices: [gpu(24e9)] };

  it("are the weights of its layers here and there", () => {
    expect(weightNeeds(q4, half).devices[0]! / q4.weightBytes).toBeCloseTo(0.48 + 0.02, 6);
    expect(weightNeeds(q4, half).ram / q4.weightBytes).toBeCloseTo(0.48 + 0.02, 6);
    expect(weightNeeds(q4, all).ram / q4.weightBytes).toBeCloseTo(0.02, 6);
    // An output that is the embeddings is there twice.
    const tied = weightNeeds({ ...q4, hasTiedOutput: true, tiedCopyBytes: 1e8 }, all);
    expect((tied.ram + tied.devices[0]!) / q4.weightBytes).toBeCloseTo(1.02, 6);
    // In RAM they are rearranged into a copy, where products want that.
    expect(weightNeeds({ ...q4, hasTiedOutput: true, tiedCopyBytes: 1e8 }, inRam).ram).toBe(q4.weightBytes + 1e8);
  });

  it("is the cache of a layer where the layer is", () => {
    const cache = cacheBytes(q4, plan(4096));
    const [none, some, most] = [inRam, half, all].map((placement) => contextNeeds(q4, plan(4096), placement));
    expect(none).toEqual({ ram: cache + computeBytes(q4, plan(4096)), devices: [] });
    expect(none!.ram - some!.ram).toBeCloseTo(cache / 2, 0);
    expect(most!.devices[0]! - some!.devices[0]!).toBeLessThan(cache / 2);
    expect(most!.devices[0]).toBeGreaterThan(cache);
    expect(most!.ram).toBeLessThan(50e6);
    const kept = contextNeeds(q4, plan(4096), all, false);
    expect(kept.ram).toBeGreaterThan(cache);
    expect(kept.devices[0]).toBeLessThan(cache);
  });

  it("is of RAM alone, and counted once, where a device has no memory of its own", () => {
    const shared: Placement = { gpuLayers: 33, devices: [gpu(24e9, { sharesRam: true })] };
    expect(weightNeeds(q4, shared).ram).toBeCloseTo(q4.weightBytes, 0);
    expect(totalBytes(weightNeeds(q4, shared), shared)).toBeCloseTo(q4.weightBytes, 0);
    expect(totalBytes(weightNeeds(q4, half), half)).toBeCloseTo(q4.weightBytes, 0);
  });
});

describe("layers for a GPU", () => {
  it.each([
    [24e9, 33],
    [5.3e9, 33],
    [3e9, 19],
    [0.1e9, 0],
  ])("of %i free bytes are %i, the most that fit", (free, layers) => {
    const { gpuLayers } = fitGpuLayers(q4, plan(4096), { devices: [gpu(free)] });
    expect(gpuLayers).toBe(layers);
    const taken = (count: number): number => {
      const placement = { gpuLayers: count, devices: [gpu(free)] };
      return weightNeeds(q4, placement).devices[0]! + contextNeeds(q4, plan(4096), placement).devices[0]!;
    };
    if (layers > 0) expect(taken(layers)).toBeLessThanOrEqual(free);
    if (layers < 33) expect(taken(layers + 1)).toBeGreaterThan(free);
  });

  it("fit each of several", () => {
    const devices = [gpu(2.4e9), gpu(1.2e9, { name: "GPU1" })];
    const { gpuLayers } = fitGpuLayers(q4, plan(4096), { devices });
    const placement = { gpuLayers, devices };
    const [first, second] = weightNeeds(q4, placement).devices;
    const context = contextNeeds(q4, plan(4096), placement).devices;
    expect(gpuLayers).toBeGreaterThan(15);
    expect(first! + context[0]!).toBeLessThanOrEqual(2.4e9);
    expect(second! + context[1]!).toBeLessThanOrEqual(1.2e9);
  });

  it.each<[DeviceMemory[], RegExp]>([
    [
      [gpu(24e9)],
      /^All 33 layers are on GPU0: with a context of 4096 tokens they take 4\.9\d GB of 24\.00 GB that are free there$/,
    ],
    [[gpu(3e9)], /^19 of 33 layers are on GPU0, the most that fit: with .* they take [23]\.\d\d GB of 3\.00 GB/],
    [
      [gpu(0.1e9)],
      /^No layers are on GPU0: not one fits with a context of 4096 tokens in the 100 MB that are free there$/,
    ],
    [[], /^No layers are on a GPU: there is none that this build uses, or may use$/],
  ])("are chosen with a reason", (devices, reason) => {
    expect(fitGpuLayers(q4, plan(4096), { devices }).reason).toMatch(reason);
  });

  it("leave room for the context that is to be made, and are more where that is in a smaller type", () => {
    const division = { devices: [gpu(8e9)] };
    const layers = (planned: Parameters<typeof usualContext>[1]): number => {
      const context = usualContext(q4, planned);
      const { placement } = placeLayers(q4, "auto", division, "m.gguf", context);
      const { devices: weights } = weightNeeds(q4, placement);
      const { devices: caches } = contextNeeds(q4, context, placement);
      expect((weights[0] ?? 0) + (caches[0] ?? 0)).toBeLessThan(8e9);
      return placement.gpuLayers;
    };
    expect(layers(undefined)).toBe(33);
    const whole = layers({ contextSize: 32_768 });
    expect(whole).toBeGreaterThan(10);
    expect(whole).toBeLessThan(33);
    expect(layers({ contextSize: 32_768, kvType: { k: "q4_0", v: "q4_0" } })).toBeGreaterThan(whole);
    expect(layers({ contextSize: "auto", kvType: "auto" })).toBe(33);
  });

  it("tell the bytes of weights that are on it", () => {
    expect(fitGpuLayers(q4, plan(4096), { devices: [gpu(24e9)] }).weightBytes / q4.weightBytes).toBeCloseTo(0.98, 6);
    expect(fitGpuLayers(q4, plan(4096), { devices: [gpu(0.1e9)] }).weightBytes).toBe(0);
    expect(fitGpuLayers(q4, plan(4096), { devices: [] }).weightBytes).toBe(0);
    const half = placeLayers(q4, 17, { devices: [gpu(24e9), gpu(24e9, { name: "GPU1" })] }, "m.gguf");
    expect(half.fit.weightBytes / q4.weightBytes).toBeCloseTo(0.5, 6);
    expect(placeLayers(q4, 0, { devices: [gpu(24e9)] }, "m.gguf").fit.weightBytes).toBe(0);
  });

  it("that were asked for are refused where they do not fit, with the number that would", () => {
    expect(placeLayers(q4, 40, { devices: [gpu(24e9)] }, "m.gguf").placement.gpuLayers).toBe(33);
    expect(placeLayers(q4, "all", { devices: [] }, "m.gguf").placement.gpuLayers).toBe(0);
    expect(() => placeLayers(q4, "all", { devices: [gpu(3e9)] }, "m.gguf")).toThrow(
      expect.objectContaining({
        code: "INSUFFICIENT_MEMORY",
        message: expect.stringMatching(
          /^m\.gguf with 33 layers on GPUs takes 4\.\d\d GB of GPU0 with a small context, but 3\.00 GB are free there; a gpuLayers of \d+ would fit$/,
        ),
      }),
    );
    const fitting = /gpuLayers of (\d+)/.exec(
      String(catchError(() => placeLayers(q4, "all", { devices: [gpu(3e9)] }, "m.gguf"))),
    );
    expect(placeLayers(q4, Number(fitting?.[1]), { devices: [gpu(3e9)] }, "m.gguf").placement.gpuLayers).toBe(
      Number(fitting?.[1]),
    );
  });

  it("leave RAM to the rest of a model", () => {
    const check = (placement: Placement): void =>
      checkModelFits(q4, { mapped: false, placement }, available(2e9), "m.gguf");
    expect(() => check(inRam)).toThrow(/takes 4\.\d\d GB/);
    expect(() => check({ gpuLayers: 9, devices: [gpu(24e9)] })).toThrow(/takes 3\.\d\d GB/);
    check({ gpuLayers: 33, devices: [gpu(24e9)] });
    expect(() => check({ gpuLayers: 33, devices: [gpu(24e9, { sharesRam: true })] })).toThrow(/takes 4\.\d\d GB/);
  });
});

function catchError(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe("a context's fit beside layers on a GPU", () => {
  const place = (gpuBytes: number, more: Partial<ContextPlace> = {}): ContextPlace => ({
    placement: { gpuLayers: 33, devices: [gpu(24e9)] },
    offloadKv: true,
    deviceBytes: new Map([["GPU0", gpuBytes]]),
    ...more,
  });

  it("is bounded by the GPU's memory, and by RAM", () => {
    const byDevice = fitContext(q4, wish(), 60e9, place(2e9));
    expect(byDevice.contextSize).toBeGreaterThan(10_000);
    expect(byDevice.contextSize).toBeLessThan(16_000);
    expect(byDevice.reason).toMatch(
      /the most that fit, .*: it takes \d+ MB of 60\.00 GB and 1\.\d\d GB of 2\.00 GB on GPU0 that are available beside the model$/,
    );
    expect(byDevice.shares).toMatchObject([{ where: "RAM" }, { where: "GPU0", availableBytes: 2e9 }]);
    const split = place(20e9, { placement: { gpuLayers: 9, devices: [gpu(24e9)] } });
    const byRam = fitContext(q4, wish(), 2e9, split);
    expect(byRam.contextSize).toBeGreaterThan(16_000);
    expect(byRam.contextSize).toBeLessThan(32_768);
  });

  it("makes the cache coarser for the GPU's sake", () => {
    expect(fitContext(q4, wish({ kvType: "auto" }), 60e9, place(3e9))).toMatchObject({
      contextSize: 32_768,
      kvType: { k: "q8_0" },
    });
  });

  it("is refused with what would fit there", () => {
    expect(() => fitContext(q4, wish({ contextSize: 32_768 }), 60e9, place(2e9))).toThrow(
      expect.objectContaining({
        code: "INSUFFICIENT_MEMORY",
        message: expect.stringMatching(
          /takes 4\.\d\d GB on GPU0, but 2\.00 GB are available for it there; a contextSize of \d+, or the kvType "q4_0", or offloadKv: false would fit$/,
        ),
      }),
    );
    expect(fitContext(q4, wish({ contextSize: 32_768 }), 60e9, place(2e9, { offloadKv: false }))).toBeDefined();
  });
});

describe("a draft model's context", () => {
  const draft = {
    shape: { ...q4, layerCount: 8, keyLengths: q4.keyLengths.slice(0, 8), valueLengths: q4.valueLengths.slice(0, 8) },
    placement: inRam,
  };
  const place: ContextPlace = { placement: inRam, offloadKv: true, deviceBytes: new Map(), draft };

  it("is a part of what fits", () => {
    const alone = fitContext(q4, wish(), 2e9);
    const both = fitContext(q4, wish(), 2e9, place);
    expect(both.contextSize).toBeLessThan(alone.contextSize * 0.85);
    const own = fitContext(q4, wish({ contextSize: both.contextSize }), 2e9).neededBytes;
    // Its cache has room for the drafts of four requests besides.
    const its = estimateMemory(draft.shape, { ...plan(both.contextSize + 256), slots: 4 });
    expect(both.neededBytes).toBe(own + its.cacheBytes + its.computeBytes);
    expect(both.reason).toContain("with a KV cache in f16 and one for the draft model: it takes");
  });

  it("is counted on the devices that it is on", () => {
    const here: Placement = { gpuLayers: 33, devices: [gpu(24e9)] };
    const there: Placement = { gpuLayers: 33, devices: [gpu(24e9, { name: "GPU1" })] };
    const both = { placement: here, offloadKv: true, draft: { ...draft, placement: there } };
    const bytes = new Map([
      ["GPU0", 2e9],
      ["GPU1", 3e9],
    ]);
    const { shares } = fitContext(q4, wish({ contextSize: 8192 }), 60e9, { ...both, deviceBytes: bytes });
    expect(shares.map(({ where, availableBytes }) => [where, availableBytes])).toEqual([
      ["RAM", 60e9],
      ["GPU0", 2e9],
      ["GPU1", 3e9],
    ]);
    expect(shares[1]!.neededBytes / shares[2]!.neededBytes).toBeGreaterThan(2);
    const tight = {
      ...both,
      deviceBytes: new Map([
        ["GPU0", 2e9],
        ["GPU1", 1e7],
      ]),
    };
    expect(() => fitContext(q4, wish({ contextSize: 8192 }), 60e9, tight)).toThrow(/on GPU1, but 10 MB are available/);
  });

  it("is refused where both do not fit", () => {
    const needed = fitContext(q4, wish({ contextSize: 8192 }), 20e9).neededBytes;
    expect(() => fitContext(q4, wish({ contextSize: 8192 }), needed * 1.05, place)).toThrow(
      /^A context of 8192 tokens with a KV cache in f16 and one for the draft model takes /,
    );
  });
});

describe("a KV cache of packed numbers", () => {
  const odd: ModelShape = { ...q4, headLengths: { k: [80], v: [80] } };

  it.each<[Partial<ContextWish>, RegExp]>([
    [
      { kvType: { k: "q8_0", v: "f16" } },
      /^Expected a type without blocks \("f16", "bf16", "f32"\), as the model's heads have 80 keys, which is no multiple of the 32 that q8_0 packs together, for kvType\.k but received "q8_0"$/,
    ],
    [{ kvType: { k: "f16", v: "q4_0" } }, /80 values, .* for kvType\.v but received "q4_0"$/],
  ])("is refused for heads that are no multiple of its blocks: %j", (more, message) => {
    expect(() => fitContext(odd, wish(more), 20e9)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringMatching(message) }),
    );
  });

  it("is not chosen for them, nor advised", () => {
    expect(fitContext(odd, wish({ kvType: "auto" }), 2e9)).toMatchObject({ kvType: { k: "f16", v: "f16" } });
    expect(() => fitContext(odd, wish({ contextSize: 32_768 }), 1.5e9)).toThrow(/; a contextSize of \d+ would fit$/);
  });

  it("is looked at in every kind of layer, and in the draft model", () => {
    const mixed: ModelShape = { ...q4, headLengths: { k: [128, 72], v: [128] } };
    const kvType = { k: "q8_0", v: "q8_0" } as const;
    expect(() => fitContext(mixed, wish({ kvType }), 20e9)).toThrow(/heads have 72 keys/);
    const place: ContextPlace = {
      placement: inRam,
      offloadKv: true,
      deviceBytes: new Map(),
      draft: { shape: odd, placement: inRam },
    };
    expect(() => fitContext(q4, wish({ kvType }), 20e9, place)).toThrow(/heads have 80 keys/);
  });
});
