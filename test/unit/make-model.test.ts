import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { describe, expect, it } from "vitest";

import { float16Bits } from "../../scripts/models/float16.mjs";
import { rowBytes, rowCount, tensorBytes } from "../../scripts/models/gguf.mjs";
import { SHAPES } from "../../scripts/models/shapes.mjs";
import { RandomWeights } from "../../scripts/models/weights.mjs";
import { writeModel } from "../../scripts/models/write-model.mjs";

const script = fileURLToPath(new URL("../../scripts/make-model.mjs", import.meta.url));

type Tensors = ReturnType<(typeof SHAPES)["7b"]["tensors"]>;

const parameters = (tensors: Tensors): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
const bytes = (tensors: Tensors): number => tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);

describe("the shapes of generated models", () => {
  it("have the parameters of Mistral-7B", () => {
    expect(parameters(SHAPES["7b"].tensors("q4_k_m"))).toBe(7_241_732_096);
  });

  it("have the size of Mistral-7B's quantized files", () => {
    expect(bytes(SHAPES["7b"].tensors("q4_k_m"))).toBe(4_367_704_064);
    expect(bytes(SHAPES["7b"].tensors("q5_k_m"))).toBe(5_130_674_176);
    expect(bytes(SHAPES["7b"].tensors("q8_0"))).toBe(7_695_122_432);
    expect(bytes(SHAPES["7b"].tensors("q4_0"))).toBe(4_108_181_504);
    expect(bytes(SHAPES["7b"].tensors("f16"))).toBe(14_483_996_672);
  });

  it("have 125 million parameters, and few", () => {
    expect(Math.round(parameters(SHAPES["125m"].tensors("q4_k_m")) / 1e6)).toBe(125);
    expect(Math.round(parameters(SHAPES.tiny.tensors("q4_k_m")) / 1e6)).toBe(18);
  });

  it("give half of the values and down projections more bits in Q4_K_M", () => {
    const larger = SHAPES["7b"].tensors("q4_k_m").filter(({ type }) => type === "q6_k");
    const layers = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31];
    expect(larger.map(({ name }) => name)).toEqual([
      ...layers.flatMap((layer) => [`blk.${layer}.attn_v.weight`, `blk.${layer}.ffn_down.weight`]),
      "output.weight",
    ]);
  });
});

describe.each(["q4_k", "q5_k", "q8_0", "f32"] as const)("random weights in %s", (type) => {
  const tensor: Parameters<RandomWeights["rowsOf"]>[0] = { name: "x.weight", shape: [512, 300], type, weights: 0.05 };

  function rows(seed: number): Buffer[] {
    const copyRow = new RandomWeights(seed).rowsOf(tensor);
    return Array.from({ length: rowCount(tensor) }, (_, row) => {
      const target = Buffer.alloc(rowBytes(tensor));
      copyRow(row, target, 0);
      return target;
    });
  }

  it("are the same for the same seed and others for another", () => {
    expect(rows(1)).toEqual(rows(1));
    expect(rows(1)[0]).not.toEqual(rows(2)[0]);
  });

  it("differ from row to row", () => {
    expect(new Set(rows(1).map((row) => row.toString("base64"))).size).toBe(300);
  });
});

describe("float16Bits", () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [1e-9, 0x0000],
  ])("%f", (value, expected) => {
    expect(float16Bits(value)).toBe(expected);
  });
});

describe("make-model", () => {
  it("writes no other type than the one that was asked for", async () => {
    const options = { shape: "tiny", type: "f32", seed: 1, split: 1, vocabularyOnly: true } as const;
    await expect(writeModel(join(tmpdir(), "llama-native-never-written.gguf"), options)).rejects.toThrow(
      "Expected q4_k_m or q5_k_m or q8_0 or q4_0 or f16 for the type of tiny but received f32",
    );
  });

  it.each([
    [
      ["--shape", "huge", "--cached"],
      "Expected tiny or tiny-gaps or 125m or 7b or recurrent or recurrent-140m or hybrid or sliding-window",
    ],
    [["--cached"], "for --shape but received nothing"],
    [["--shape", "tiny"], "Expected either --out or --cached"],
    [
      ["--shape", "tiny", "--cached", "--type", "q9"],
      "Expected q4_k_m or q5_k_m or q8_0 or q4_0 or f16 for --type of tiny",
    ],
    [["--shape", "hybrid", "--cached", "--type", "f16"], "Expected f32 for --type of hybrid but received f16"],
    [
      ["--shape", "tiny", "--cached", "--split", "0"],
      "Expected a whole number from 1 to 20 for --split but received 0",
    ],
    [["--shape", "tiny", "--cached", "--seed", "-1"], "--seed"],
  ])("refuses %j", async (args, message) => {
    await expect(promisify(execFile)(process.execPath, [script, ...args])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(message),
    });
  });
});
