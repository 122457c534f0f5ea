import { describe, expect, it } from "vitest";

import { describeOverview } from "../../src/cli/models/describe-overview.js";
import { needsOf } from "../../src/cli/models/memory-needs.js";
import type { Fit, MemoryNeed, ModelOverview } from "../../src/cli/models/overview.js";
import { machineWith } from "../../src/cli/models/overview.js";
import { contextBudget, fitContext } from "../../src/model/fit.js";
import { cpuMicroBatchSize, overheadBytes } from "../../src/model/memory-estimate.js";
import type { ModelShape } from "../../src/model/model-shape.js";
import type { NativeDevice } from "../../src/native/contract.js";
import { mistral } from "./mistral-shape.js";

const q4 = mistral(4_367_000_000);

const gpu = (freeBytes: number, more: Partial<NativeDevice> = {}): NativeDevice => ({
  name: "CUDA0",
  description: "A graphics card",
  type: "gpu",
  backend: "CUDA",
  freeBytes,
  totalBytes: 24e9,
  splitsRows: true,
  ...more,
});

interface Machine {
  gpus: NativeDevice[];
  availableBytes?: number;
  totalBytes?: number;
  limit?: "memory" | "process";
  addressBytes?: number;
  shape?: ModelShape;
}

function needs(machine: Machine): MemoryNeed[] {
  const {
    gpus,
    availableBytes = 30e9,
    totalBytes = 32e9,
    limit = "memory",
    addressBytes = Infinity,
    shape = q4,
  } = machine;
  const ram = { bytes: availableBytes, limit, addressBytes };
  return needsOf(shape, machineWith(gpus, ram, totalBytes).room, [4096, 16_384]);
}

/** With contexts of 4096, 16384 and 32768 tokens, in f16. */
const fits = (machine: Machine): Fit[] =>
  needs(machine)
    .filter(({ kvType }) => kvType === "f16")
    .map(({ fit }) => fit);

describe("where a model fits", () => {
  it("without a GPU is RAM, now or when other programs leave, or nowhere", () => {
    expect(fits({ gpus: [] })).toEqual(["yes", "yes", "yes"]);
    expect(fits({ gpus: [], availableBytes: 7e9, totalBytes: 9e9 })).toEqual(["yes", "yes", "no"]);
    expect(fits({ gpus: [], availableBytes: 6e9, totalBytes: 16e9 })).toEqual(["yes", "busy", "busy"]);
  });

  it("is decided as a load decides it: with room for all else, of which a large machine has enough in a gigabyte", () => {
    const large = mistral(90e9); // 90.6 GB with the smallest context
    expect(fits({ gpus: [], shape: large, availableBytes: 92.5e9, totalBytes: 128e9 })[0]).toBe("yes");
    expect(fits({ gpus: [], shape: large, availableBytes: 91.2e9, totalBytes: 128e9 })[0]).toBe("busy");
  });

  it("is decided by the limits of the process, which stay when other programs leave", () => {
    // The file is mapped and its weights are rearranged beside that.
    expect(fits({ gpus: [], addressBytes: 8.5e9 })).toEqual(["no", "no", "no"]);
    expect(fits({ gpus: [], addressBytes: 10e9 })).toEqual(["yes", "no", "no"]);
    expect(fits({ gpus: [], addressBytes: 15e9 })).toEqual(["yes", "yes", "yes"]);
    expect(fits({ gpus: [], availableBytes: 6e9, limit: "process" })).toEqual(["yes", "no", "no"]);
    const { machine } = machineWith([], { bytes: 30e9, limit: "memory", addressBytes: 8e9 }, 32e9);
    expect(machine).toMatchObject({ availableBytes: 8e9, limit: "process" });
  });

  it.each([
    [4.367e9, 6.2e9],
    [40e9, 41.4e9],
    [40e9, 41.8e9],
  ])("is where a load of %d bytes of weights in %d free ones makes the context, and nowhere else", (weights, bytes) => {
    const shape = mistral(weights);
    const available = { bytes, limit: "memory", addressBytes: Infinity } as const;
    const budget = contextBudget(available, shape.weightBytes + overheadBytes(shape));
    const rest = { sequences: 4, batchSize: 512, microBatchSize: cpuMicroBatchSize, most: 32_768 };
    const kvType = { k: "f16", v: "f16" } as const;
    const isLetThrough = (contextSize: number): boolean => {
      try {
        fitContext(shape, { ...rest, contextSize, kvType, flashAttention: "auto" }, budget);
        return true;
      } catch {
        return false;
      }
    };
    const expected = [4096, 16_384, 32_768].map(isLetThrough);
    expect(fits({ gpus: [], shape, availableBytes: bytes }).map((fit) => fit === "yes")).toEqual(expected);
  });

  it("is a GPU that holds all of it with the context", () => {
    expect(fits({ gpus: [gpu(24e9)] })).toEqual(["gpu", "gpu", "gpu"]);
    expect(fits({ gpus: [gpu(7.2e9)] })).toEqual(["gpu", "gpu", "yes"]);
    expect(fits({ gpus: [gpu(5e9)] })).toEqual(["yes", "yes", "yes"]);
  });

  it("is a GPU by the type of the cache", () => {
    const full = needs({ gpus: [gpu(7e9)] }).filter(({ contextSize }) => contextSize === 32_768);
    expect(full.map(({ kvType, fit }) => [kvType, fit])).toEqual(
      expect.arrayContaining([
        ["f16", "yes"],
        ["q4_0", "gpu"],
      ]),
    );
  });

  it("is several GPUs, each of which holds its part", () => {
    const both = (...free: number[]): NativeDevice[] =>
      free.map((bytes, index) => gpu(bytes, { name: `CUDA${index}` }));
    expect(fits({ gpus: both(6e9, 6e9) })).toEqual(["gpu", "gpu", "gpu"]);
    expect(fits({ gpus: both(4e9, 4e9) })).toEqual(["gpu", "gpu", "yes"]);
    // One of as much as both together has a step's buffers once.
    expect(fits({ gpus: both(2.65e9, 2.65e9) })[0]).toBe("yes");
    expect(fits({ gpus: both(5.3e9) })[0]).toBe("gpu");
  });

  it("is both together where neither alone is enough", () => {
    const small = { availableBytes: 4.5e9, totalBytes: 5e9 };
    expect(fits({ gpus: [gpu(4e9)], ...small })[0]).toBe("both");
    expect(fits({ gpus: [], ...small })[0]).toBe("no");
    expect(fits({ gpus: [gpu(0.3e9)], ...small })[0]).toBe("no");
    expect(fits({ gpus: [gpu(4e9)], availableBytes: 0.6e9, totalBytes: 5e9 })[0]).toBe("no");
  });

  it("is no GPU whose memory is the machine's, where that has no room", () => {
    const integrated = gpu(16e9, { type: "integrated-gpu" });
    expect(fits({ gpus: [integrated], availableBytes: 16e9 })[0]).toBe("gpu");
    expect(fits({ gpus: [integrated], availableBytes: 3e9, totalBytes: 4e9 })[0]).toBe("no");
  });
});

describe("what people read of it", () => {
  const overview = (gpus: NativeDevice[], shape = q4): string[] => {
    const ram = { bytes: 4.5e9, limit: "memory", addressBytes: Infinity } as const;
    const { machine, room } = machineWith(gpus, ram, 5e9);
    const quantization = { fileName: "m.gguf", quantization: "Q4_K_M", sizeBytes: 4e9, path: null };
    const unknown = { origin: null, repository: null, licence: null, parameterCount: null, architecture: null };
    const more = { layerCount: null, contextLength: null, promptFormat: null, strengths: null, weaknesses: null };
    const rest = { name: "m", isExact: true, machine, problem: null };
    const all: ModelOverview = {
      ...{ ...unknown, ...more, ...rest },
      quantizations: [{ ...quantization, memory: needsOf(shape, room, [4096]) }],
    };
    return describeOverview(all);
  };

  it("names the GPUs with what is free on them, and each word", () => {
    const lines = overview([gpu(2e9), gpu(2e9, { name: "CUDA1", description: "Another" })]);
    expect(lines.find((line) => line.includes("Q4_K_M"))).toMatch(/f16 +\d\.\d\d GB both/);
    expect(lines.at(-2)).toMatch(/^yes: in the 4\.50 GB .*; both: some layers on the GPU, .*; busy: .*; no: never$/);
    expect(lines.at(-1)).toBe("GPU: A graphics card, Another with 4 GB free");
  });

  it("has one line of a model without a KV cache, by the length of a text", () => {
    const none = q4.keyLengths.map(() => 0);
    const encoder = {
      ...q4,
      keyLengths: none,
      valueLengths: none,
      hasCache: false,
      weightBytes: 1e8,
      vocabularySize: 0,
    };
    const lines = overview([], encoder);
    expect(lines.filter((line) => /\d [MG]B (yes|no|busy)/.test(line))).toEqual([
      expect.stringMatching(/^Q4_K_M +4 GB +none +[\d.]+ GB yes +[\d.]+ GB no$/),
    ]);
    expect(lines.join("\n")).not.toMatch(/f16|q8_0/);
  });

  it("says that there is none", () => {
    const lines = overview([]);
    expect(lines.at(-2)).not.toContain("both");
    expect(lines.at(-1)).toBe("GPU: none that this build uses");
  });
});
