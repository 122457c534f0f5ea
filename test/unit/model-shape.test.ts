import { describe, expect, it } from "vitest";

import type { GgufHeader } from "../../src/model/gguf-header.js";
import { embeddingBytes } from "../../src/model/memory-estimate.js";
import type { ModelShape } from "../../src/model/model-shape.js";
import { shapeOf } from "../../src/model/model-shape.js";

type Keys = Record<string, number | readonly (number | boolean)[]>;

/** Of two layers, which have what the names say. */
function shape(
  architecture: string,
  keys: Keys,
  names: readonly string[] = ["attn_k", "attn_k"],
  others: GgufHeader["tensors"] = [],
): ModelShape {
  const general = { block_count: 2, embedding_length: 64, "attention.head_count": 4, ...keys };
  const header: GgufHeader = {
    metadata: new Map<string, Keys[string] | string>([
      ["general.architecture", architecture],
      ...Object.entries(general).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ]),
    arrayLengths: new Map(),
    tensors: [
      ...names.map((name, layer) => {
        return { name: `blk.${layer}.${name}.weight`, type: "f32", shape: [64, 64], sizeBytes: 16_384, entryOffset: 0 };
      }),
      ...others,
    ],
    headerBytes: 1000,
  };
  return shapeOf([header]);
}

describe("windows of attention", () => {
  it.each<[architecture: string, keys: Keys, windows: ModelShape["windows"]]>([
    ["llama", {}, "none"],
    ["gemma3", { "attention.sliding_window": 512 }, "some"],
    ["gemma3", { "attention.sliding_window": 0 }, "none"],
    ["gemma3", {}, "none"],
    ["gemma2", {}, "some"],
    ["llama4", {}, "some"],
    ["llama4", { "attention.sliding_window": 0 }, "none"],
    ["phi3", { "attention.sliding_window": 2047 }, "none"],
  ])("of %s with %j are in %s of its layers", (architecture, keys, windows) => {
    expect(shape(architecture, keys).windows).toBe(windows);
  });

  it("are in all layers with keys where others have states", () => {
    const keys = { "attention.sliding_window": 64, "shortconv.l_cache": 3 };
    expect(shape("lfm2", keys, ["shortconv.conv", "attn_k"]).windows).toBe("all");
  });

  it("may have heads of another length, in the layers that are said to have windows", () => {
    const { keyLengths, valueLengths } = shape("gemma4", {
      "attention.sliding_window": 512,
      "attention.sliding_window_pattern": [true, false],
      "attention.head_count_kv": [2, 1],
      "attention.key_length": 512,
      "attention.key_length_swa": 256,
      "attention.value_length": 512,
      "attention.value_length_swa": 128,
    });
    expect(keyLengths).toEqual([512, 512]);
    expect(valueLengths).toEqual([256, 512]);
  });
});

describe("a cache that is smaller than heads and layers tell", () => {
  it("is one compressed vector of a position, out of which values come too", () => {
    const keys = {
      "attention.head_count_kv": 1,
      "attention.key_length": 48,
      "attention.value_length": 32,
      "attention.key_length_mla": 24,
      "attention.value_length_mla": 16,
    };
    expect(shape("deepseek2", keys)).toMatchObject({ keyLengths: [48, 48], valueLengths: [0, 0] });
  });

  it("is read by later layers, which have none", () => {
    const keys = { "attention.head_count_kv": 2, "attention.shared_kv_layers": 1 };
    expect(shape("gemma3n", keys)).toMatchObject({ keyLengths: [32, 0], valueLengths: [32, 0] });
  });
});

describe("an encoder", () => {
  const tensor = (name: string, type: string): GgufHeader["tensors"][number] => {
    return { name, type, shape: [1000, 64], sizeBytes: 68_000, entryOffset: 0 };
  };
  const embeddings = [tensor("token_embd.weight", "q8_0"), tensor("blk.0.attn_q.weight", "q8_0")];

  it.each([
    "bert",
    "nomic-bert",
    "nomic-bert-moe",
    "jina-bert-v2",
    "jina-bert-v3",
    "neo-bert",
    "eurobert",
    "modern-bert",
  ])("keeps no keys and no second copy of its embeddings: %s", (architecture) => {
    const found = shape(architecture, {}, ["attn_q", "attn_q"], embeddings);
    expect(found).toMatchObject({ hasCache: false, isExact: false, hasTiedOutput: false, tiedCopyBytes: 0 });
    expect([found.keyLengths, found.valueLengths]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(found.outputWeightBytes).toBe(0);
  });

  it.each(["gemma-embedding", "dream", "llada", "llada-moe", "rnd1"])(
    "or other model that keeps no keys may have its embeddings for an output: %s",
    (architecture) => {
      const found = shape(architecture, {}, ["attn_q", "attn_q"], embeddings);
      expect(found).toMatchObject({ hasCache: false, isExact: false, tiedCopyBytes: 68_000, keyLengths: [0, 0] });
    },
  );

  it("takes what a text as a whole takes, and nothing by the type of a cache", () => {
    const found = shape("bert", { context_length: 512, feed_forward_length: 128 }, ["attn_q"], embeddings);
    const decoder = { ...shape("llama", { feed_forward_length: 128 }, ["attn_k"], embeddings) };
    const [bytes, more] = [embeddingBytes(found, 512), embeddingBytes(decoder, 512)];
    expect(more - bytes).toBe(512 * 2 * 2 * 64 * 2); // keys and values of two layers
    expect(embeddingBytes(found, 1024) - 2 * bytes).toBeGreaterThanOrEqual(2 * 512 * 512 * 2); // who may look at whom
  });
});

describe("states", () => {
  it.each<[architecture: string, keys: Keys, names: string[], stateBytes: number[]]>([
    [
      "mamba",
      { "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16 },
      ["ssm_in", "ssm_in"],
      [(3 * 128 + 16 * 128) * 4, (3 * 128 + 16 * 128) * 4],
    ],
    [
      "granitehybrid",
      { "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.group_count": 2 },
      ["ssm_in", "attn_k"],
      [(3 * (128 + 2 * 2 * 16) + 16 * 128) * 4, 0],
    ],
    ["rwkv7", { "wkv.head_size": 16 }, ["time_mix_w0", "time_mix_w0"], [18 * 64 * 4, 18 * 64 * 4]],
    ["lfm2", { "shortconv.l_cache": 3 }, ["attn_k", "shortconv.conv"], [0, 2 * 64 * 4]],
    ["kimi-linear", { "kda.head_dim": 16, "ssm.conv_kernel": 4 }, ["ssm_a", "attn_kv_b"], [4 * 16 * (9 + 16) * 4, 0]],
    ["llama", {}, ["attn_k", "attn_k"], [0, 0]],
  ])("of %s are those of its layers", (architecture, keys, names, stateBytes) => {
    const found = shape(architecture, keys, names);
    expect(found.stateBytes).toEqual(stateBytes);
    const hasKeys = (name: string): boolean => name.startsWith("attn");
    expect(found.keyLengths.map((length) => length > 0)).toEqual(names.map(hasKeys));
  });
});
