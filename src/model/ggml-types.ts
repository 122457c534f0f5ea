import { LlamaError } from "../errors.js";

/** Formats that a KV cache may have. */
export type KvType = "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";

/** ggml's number formats by their id in files: name, elements of a block, and bytes of one. */
const types: Readonly<Record<number, readonly [name: string, elements: number, bytes: number]>> = {
  0: ["f32", 1, 4],
  1: ["f16", 1, 2],
  2: ["q4_0", 32, 18],
  3: ["q4_1", 32, 20],
  6: ["q5_0", 32, 22],
  7: ["q5_1", 32, 24],
  8: ["q8_0", 32, 34],
  9: ["q8_1", 32, 36],
  10: ["q2_K", 256, 84],
  11: ["q3_K", 256, 110],
  12: ["q4_K", 256, 144],
  13: ["q5_K", 256, 176],
  14: ["q6_K", 256, 210],
  15: ["q8_K", 256, 292],
  16: ["iq2_xxs", 256, 66],
  17: ["iq2_xs", 256, 74],
  18: ["iq3_xxs", 256, 98],
  19: ["iq1_s", 256, 50],
  20: ["iq4_nl", 32, 18],
  21: ["iq3_s", 256, 110],
  22: ["iq2_s", 256, 82],
  23: ["iq4_xs", 256, 136],
  24: ["i8", 1, 1],
  25: ["i16", 1, 2],
  26: ["i32", 1, 4],
  27: ["i64", 1, 8],
  28: ["f64", 1, 8],
  29: ["iq1_m", 256, 56],
  30: ["bf16", 1, 2],
  34: ["tq1_0", 256, 54],
  35: ["tq2_0", 256, 66],
  39: ["mxfp4", 32, 17],
  40: ["nvfp4", 64, 36],
  41: ["q1_0", 128, 18],
  42: ["q2_0", 64, 18],
};

const byName = new Map(Object.values(types).map((type) => [type[0], type]));

/** Name and size of a tensor. Throws LlamaError `MODEL_FORMAT` for a type that is not known. */
export function tensorBytes(id: number, shape: readonly number[]): { type: string; sizeBytes: number } {
  const found = types[id];
  if (found === undefined) throw new LlamaError("MODEL_FORMAT", `The file has tensors of the unknown type ${id}`);
  const [type, elements, bytes] = found;
  const count = shape.reduce((product, size) => product * size, 1);
  return { type, sizeBytes: (count / elements) * bytes };
}

/** Bytes of a row of so many numbers; a type by its name. */
export function rowBytes(type: string, count: number): number {
  const [, elements, bytes] = byName.get(type) ?? ["f32", 1, 4];
  return Math.ceil(count / elements) * bytes;
}

/** Numbers that are packed together, of which a row must be a multiple; 1 for plain numbers. */
export function blockLength(type: KvType): number {
  return byName.get(type)?.[1] ?? 1;
}

export function isQuantizedType(type: KvType): boolean {
  return blockLength(type) > 1;
}

/** By ggml's rules for processors with AVX2 or with NEON's dot products, and on x86 by ours (native/cmake/patches.cmake). */
const rearrangedTypes = ["q4_0", "q4_K", "q5_K", "q6_K", "q8_0", "iq4_nl", "mxfp4"];
const rearrangedOnX86 = ["q4_1", "q5_0", "q5_1"];

/** Whether the processor's products want weights of a type in another order than files have. */
export function isRearranged(type: string, architecture: string = process.arch): boolean {
  return rearrangedTypes.includes(type) || (architecture === "x64" && rearrangedOnX86.includes(type));
}
