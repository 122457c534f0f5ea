import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { compareLogits, countProducts, readAssignments, sharedStart } from "../../scripts/vulkan/compare.mjs";
import { dequantize } from "../../scripts/vulkan/dequantize.mjs";

const script = join(import.meta.dirname, "../../scripts/prove-vulkan.mjs");

test("equal logits are alike, whatever is added to a row", () => {
  const rows = Float32Array.of(1, 2, 4, 0, 5, 0);
  const same = compareLogits(rows, rows, 3);
  expect(same).toMatchObject({ likeliestEqual: 1, divergence: 0 });
  expect(same.leastCosine).toBeCloseTo(1, 12);
  expect(compareLogits(Float32Array.of(1, 2, 4), Float32Array.of(11, 12, 14), 3).divergence).toBeCloseTo(0, 6);
});

test("rows that differ are told by each measure", () => {
  const { likeliestEqual, divergence, leastCosine } = compareLogits(
    Float32Array.of(Math.log(3), 0, 1, 0),
    Float32Array.of(0, Math.log(3), 1, 0),
    2,
  );
  expect(likeliestEqual).toBe(0.5);
  expect(divergence).toBeCloseTo((0.75 * Math.log(3) - 0.25 * Math.log(3)) / 2, 6);
  expect(leastCosine).toBe(0);
});

test("rows that do not match are refused", () => {
  expect(() => compareLogits(new Float32Array(4), new Float32Array(2), 2)).toThrow("as many rows of 2");
  expect(() => compareLogits(new Float32Array(3), new Float32Array(3), 2)).toThrow("as many rows of 2");
  expect(() => compareLogits(new Float32Array(0), new Float32Array(0), 2)).toThrow("as many rows of 2");
});

test("answers share what comes before the first difference", () => {
  const reference = [
    [1, 2, 3, 4],
    [5, 6],
  ];
  expect(sharedStart(reference, reference)).toBe(1);
  expect(sharedStart(reference, [[1, 2, 9, 4], [5]])).toBe(0.5);
});

test("products are counted in ggml's log of timings", () => {
  const log =
    "Vulkan Timings:\nMUL_MAT_VEC q4_1 m=576 n=1 k=576: 61 x 12.5 us = 762 us (53 GFLOPS/s)\nADD: 9 x 1 us = 9 us\n" +
    "MUL_MAT_ADD MUL_MAT_VEC f16 m=1 n=1 k=1: 2 x 1 us = 2 us\n";
  expect(countProducts(log)).toBe(63);
  expect(countProducts("")).toBe(0);
});

test("without an addon for Vulkan the proof fails, and says how to get one", () => {
  const env = { ...process.env, LLAMA_NATIVE_OUT_DIR: join(tmpdir(), "llama-native-nothing-here") };
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: "utf8" });
  expect([status, stderr]).toEqual([1, expect.stringContaining("llama-native build --gpu vulkan")]);
});

test("without a cached addon for Vulkan the short proof says that nothing was run, and fails nothing", () => {
  const env = { ...process.env, LLAMA_NATIVE_CACHE_DIR: join(tmpdir(), "llama-native-nothing-here") };
  const { status, stdout } = spawnSync(process.execPath, [script, "--cached"], { env, encoding: "utf8" });
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^Vulkan was not run: .+\.\n$/)]);
});

test("places of layers are read in their order", () => {
  const log =
    "load_tensors: layer  10 assigned to device Vulkan1, is_swa = 0\nload_tensors: layer   9 assigned to device CPU, is_swa = 0\n";
  expect(readAssignments(log)).toEqual(["CPU", "Vulkan1"]);
  expect(readAssignments("")).toEqual([]);
});

test("quantized weights are what their blocks stand for", () => {
  const q41 = Buffer.alloc(20);
  q41.writeUInt16LE(0x3800, 0); // a scale of 0.5
  q41.writeUInt16LE(0xbc00, 2); // an offset of -1
  q41[4] = 0xf2; // 2 is the first number, 15 the seventeenth
  const q80 = Buffer.alloc(34);
  q80.writeUInt16LE(0x0001, 0); // the least number of 16 bits, 2^-24
  q80.writeInt8(-127, 2);
  q80.writeInt8(64, 33);
  const read = (type: string, bytes: Buffer): Float32Array => {
    const tensor = { name: "t", type, shape: [32], sizeBytes: bytes.length, offsetBytes: 3 };
    const numbers = dequantize(tensor, Buffer.concat([Buffer.alloc(3), bytes]));
    return new Float32Array(numbers.buffer, numbers.byteOffset, 32);
  };
  const first = read("q4_1", q41);
  expect([first[0], first[1], first[16], first[31]]).toEqual([0, -1, 6.5, -1]);
  const second = read("q8_0", q80);
  expect([second[0], second[1], second[31]]).toEqual([-127 * 2 ** -24, 0, 64 * 2 ** -24]);
  expect(() => read("q4_k", q80)).toThrow("but t is q4_k");
});
