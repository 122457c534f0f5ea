// Models of a server on GPUs, of which each holds a part of one or another.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { ContextOptions } from "../../src/context/context-options.js";
import type { LoadModelOptions } from "../../src/model/load-options.js";
import { weightNeeds } from "../../src/model/placement.js";
import type { NativeDevice } from "../../src/native/contract.js";
import type { PooledModel } from "../../src/server/models/model-pool.js";
import { ModelPool } from "../../src/server/models/model-pool.js";
import type { ServedModel } from "../../src/server/models/served-model.js";
import { Metrics } from "../../src/server/operation/metrics.js";
import { silentLog } from "../../src/server/operation/log.js";
import { mistral } from "./mistral-shape.js";

/** Mistral-7B in Q4_K_M: 4.4 GB of weights, and 1 GB of KV cache for 8192 tokens. */
const shape = mistral(4_367_000_000);

interface Load {
  path: string;
  options: LoadModelOptions;
}

const machine: { gpus: NativeDevice[]; loads: Load[]; tellsFree: boolean } = { gpus: [], loads: [], tellsFree: true };

function gpu(name: string, totalBytes: number, type: NativeDevice["type"] = "gpu"): NativeDevice {
  return { name, description: name, type, backend: "CUDA", freeBytes: totalBytes, totalBytes, splitsRows: true };
}

vi.mock("../../src/hub/index.js", () => ({
  identifyModel: () => ({ names: [] }),
  resolveModel: async (source: string) => source,
}));
vi.mock("../../src/model/model-memory.js", () => ({ readModelShape: async () => shape }));
vi.mock("../../src/native/load-addon.js", () => ({
  loadAddon: () => ({ systemInfo: () => ({ devices: machine.gpus.map((device) => ({ ...device })) }) }),
}));
vi.mock("../../src/load-model.js", () => ({
  loadModel: async (path: string, options: LoadModelOptions) => {
    machine.loads.push({ path, options });
    const names = options.devices ?? machine.gpus.map(({ name }) => name);
    const devices = machine.gpus
      .filter(({ name }) => names.includes(name))
      .map((one) => ({ ...one, sharesRam: false }));
    const placement = { devices, gpuLayers: Number(options.gpuLayers ?? 0), split: options.tensorSplit };
    const taken = weightNeeds(shape, placement).devices.map((bytes) => bytes * 1.2); // with its context's part
    const take = (sign: number): void => {
      for (const [index, { name }] of devices.entries()) {
        const device = machine.gpus.find((one) => one.name === name)!;
        if (machine.tellsFree) device.freeBytes -= sign * taken[index]!;
      }
    };
    take(1);
    return {
      metadata: {},
      info: { canGenerate: true },
      createContext: async () => ({ disposed: true }), // so that nobody asks for its statistics
      dispose: async () => take(-1),
    };
  },
}));

beforeEach(() => {
  Object.assign(machine, { gpus: [gpu("GPU0", 8e9)], loads: [], tellsFree: true });
});
afterEach(() => vi.useRealTimers());

const never = new AbortController().signal;

function make(models: Record<string, Omit<ServedModel, "source">>, memoryBudgetBytes = Infinity): ModelPool {
  const served = Object.entries(models).map(([name, more]) => ({ source: `/${name}.gguf`, name, ...more }));
  return new ModelPool(served, { memoryBudgetBytes, idleUnloadMs: 0, log: silentLog });
}

function named(pool: ModelPool, id: string): PooledModel {
  return pool.models.find((model) => model.id === id)!;
}

/** Asks for a model, a little later than whatever was before. */
async function use(pool: ModelPool, name: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2));
  (await pool.acquire(named(pool, name), never)).release();
}

function loaded(pool: ModelPool): string[] {
  return pool.models.filter((entry) => entry.loaded !== undefined).map(({ id }) => id);
}

const all = { load: { gpuLayers: "all" } } as const;

describe.each([true, false])("a GPU whose driver tells what is free: %j", (tellsFree) => {
  beforeEach(() => {
    machine.tellsFree = tellsFree;
  });

  test("makes room for a model that is asked for by the one that was used least recently", async () => {
    machine.gpus = [gpu("GPU0", 13e9)];
    const pool = make({ a: all, b: all, c: all });
    await use(pool, "a");
    await use(pool, "b");
    expect(loaded(pool)).toEqual(["a", "b"]);
    await use(pool, "a");
    await use(pool, "c");
    expect(loaded(pool)).toEqual(["a", "c"]);
  });

  test("gives up no model that is elsewhere, in RAM or on another GPU", async () => {
    machine.gpus = [gpu("GPU0", 8e9), gpu("GPU1", 8e9)];
    const on = (name: string): Omit<ServedModel, "source"> => ({ load: { gpuLayers: "all", devices: [name] } });
    const pool = make({ ram: { load: { devices: [] } }, other: on("GPU1"), a: on("GPU0"), b: on("GPU0") });
    for (const name of ["ram", "other", "a", "b"]) await use(pool, name);
    expect(loaded(pool)).toEqual(["ram", "other", "b"]);
  });

  test("has all layers of a model that is asked for, where it can hold them without others", async () => {
    const pool = make({ a: {}, b: {} });
    await use(pool, "a");
    await use(pool, "b");
    expect(loaded(pool)).toEqual(["b"]);
    expect(machine.loads.map(({ options }) => options.gpuLayers)).toEqual([33, 33]);
  });

  test("is shared by the models that are loaded with the server", async () => {
    const pool = make({ a: {}, b: {} });
    await pool.loadAll();
    expect(loaded(pool)).toEqual(["a", "b"]);
    const [first, second] = machine.loads.map(({ options }) => Number(options.gpuLayers));
    expect(first).toBe(33);
    expect(second).toBeLessThan(14);
    expect(second).toBeGreaterThan(3);
  });
});

test("a memory budget is one of RAM, from which layers on a GPU are away", async () => {
  machine.gpus = [gpu("GPU0", 24e9)];
  const pool = make({ a: all, b: all, ram: { load: { devices: [] } } }, 5.67e9);
  await use(pool, "a");
  await use(pool, "b");
  expect(loaded(pool)).toEqual(["a", "b"]);
  await use(pool, "ram");
  expect(loaded(pool)).toEqual(["b", "ram"]);
});

test("a model that several GPUs hold is loaded as it was planned, and makes room on the one that lacks it", async () => {
  machine.gpus = [gpu("GPU0", 3.4e9), gpu("GPU1", 8e9)];
  const small = { load: { gpuLayers: 9, devices: ["GPU1"] } };
  const pool = make({ small, other: { load: { gpuLayers: 9, devices: ["GPU0"] } }, both: all });
  await use(pool, "small");
  await use(pool, "other");
  await use(pool, "both");
  const { gpuLayers, tensorSplit } = machine.loads.at(-1)!.options;
  expect(gpuLayers).toBe(33);
  expect(tensorSplit![1]! / tensorSplit![0]!).toBeCloseTo(8 / 3.4, 2);
  expect(loaded(pool)).toEqual(["small", "both"]);
});

test("layers leave room on the GPU for the context that the server makes", async () => {
  const layersWith = async (context: ContextOptions): Promise<number> => {
    machine.gpus = [gpu("GPU0", 3e9)];
    await use(make({ a: { context } }), "a");
    return Number(machine.loads.at(-1)!.options.gpuLayers);
  };
  expect(await layersWith({ contextSize: 32_768 })).toBeLessThan(0.7 * (await layersWith({ contextSize: 1024 })));
});

test("metrics tell what loaded models take of which memory, and models' facts what that is in all", async () => {
  machine.gpus = [gpu("GPU0", 24e9)];
  const pool = make({ a: all, ram: { load: { devices: [] } } });
  const metrics = new Metrics(pool);
  const told = async (): Promise<Record<string, number>> => {
    const lines = (await metrics.text()).matchAll(
      /^llama_native_model_memory_bytes\{model="(\w+)",memory="(\w+)"\} (\d+)$/gm,
    );
    return Object.fromEntries([...lines].map(([, model, memory, bytes]) => [`${model} ${memory}`, Number(bytes)]));
  };
  expect(await told()).toEqual({});
  await use(pool, "a");
  await use(pool, "ram");
  const memories = await told();
  expect(Object.keys(memories).sort()).toEqual(["a GPU0", "a RAM", "ram RAM"]);
  expect(memories["a GPU0"]).toBeGreaterThan(5.3e9);
  expect(memories["a RAM"]).toBeLessThan(0.3e9);
  expect(memories["ram RAM"]).toBeGreaterThan(5.3e9);
  expect(named(pool, "a").needs!.bytes).toBe(memories["a GPU0"]! + memories["a RAM"]!);
  pool.unload(named(pool, "a"));
  expect(Object.keys(await told())).toEqual(["ram RAM"]);
});

describe("a model that cannot fit", () => {
  test("on a GPU is refused with the GPU's name, and costs no other model its place", async () => {
    machine.gpus = [gpu("GPU0", 8e9), gpu("GPU1", 3e9)];
    const pool = make({
      a: { load: { gpuLayers: 5, devices: ["GPU1"] } },
      b: { load: { gpuLayers: "all", devices: ["GPU1"] } },
    });
    await use(pool, "a");
    await expect(use(pool, "b")).rejects.toMatchObject({
      code: "INSUFFICIENT_MEMORY",
      message: expect.stringMatching(/takes 4\.\d\d GB of GPU1 .* are free there; a gpuLayers of \d+ would fit/),
    });
    expect(loaded(pool)).toEqual(["a"]);
  });

  test("with its context on a GPU neither", async () => {
    machine.gpus = [gpu("GPU0", 5.5e9)];
    await expect(use(make({ a: { ...all, context: { contextSize: 32_768 } } }), "a")).rejects.toMatchObject({
      code: "INSUFFICIENT_MEMORY",
      message: expect.stringMatching(/context of 32768 tokens .* takes 4\.\d\d GB on GPU0/),
    });
  });

  test("in the budget of RAM is refused with RAM's", async () => {
    await expect(use(make({ a: { load: { devices: [] } } }, 1e9), "a")).rejects.toMatchObject({
      code: "INSUFFICIENT_MEMORY",
      message: expect.stringMatching(/a needs about \d+ bytes of RAM, more than the memory budget of 1000000000/),
      details: { where: "RAM" },
    });
  });
});

test("an integrated GPU's memory is RAM's too", async () => {
  machine.gpus = [gpu("GPU0", 24e9, "integrated-gpu")];
  const pool = make({ a: all, b: all }, 8e9);
  await use(pool, "a");
  await use(pool, "b");
  expect(loaded(pool)).toEqual(["b"]);
});
