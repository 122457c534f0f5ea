// What is estimated of a device's memory, by the file's header and before anything is loaded, beside the buffers that llama.cpp
// then makes there. Nothing is computed.

import { succeed } from "./start.mjs";

const MOST_DIFFERENCE = 0.05;
const MEBIBYTE = 1 << 20;
const DEVICE = "Vulkan0";

/** @typedef {import("../../src/index.js").ContextOptions} ContextOptions */
/** @typedef {{ name: string, path: string, layers: number[] }} Model of which so many layers are put there */
/** @typedef {{ model: string, layers: number, context: number, cache: string, estimatedMB: number, buffersMB: number, difference: string, holds: boolean }} MemoryRow */

/** @type {Pick<ContextOptions, "contextSize" | "kvType" | "offloadKv">[]} */
const CONTEXTS = [
  { contextSize: 4096, kvType: "f16" },
  { contextSize: 4096, kvType: "q8_0" },
  { contextSize: 16384, kvType: "f16" },
  { contextSize: 16384, kvType: "q8_0" },
  { contextSize: 8192, kvType: "f16", offloadKv: false },
];

/** @param {Model[]} models @returns {MemoryRow[]} */
export function compareMemory(models) {
  return models.flatMap((model) =>
    model.layers.flatMap((layers) => CONTEXTS.map((context) => compare(model, layers, context))),
  );
}

/** @param {Model} model @param {number} layers @param {typeof CONTEXTS[number]} context @returns {MemoryRow} */
function compare({ name, path }, layers, context) {
  const order = { model: path, load: { gpu: /** @type {const} */ ("vulkan"), gpuLayers: layers }, context };
  const { memory, log } = succeed(order, { LLAMA_NATIVE_LOG: "debug" });
  const estimated = memory.weightBytes + (memory.shares.find(({ where }) => where === DEVICE)?.neededBytes ?? 0);
  const found = readBuffers(log);
  const difference = estimated / found - 1;
  return {
    ...{ model: name, layers, context: Number(context.contextSize) },
    cache: context.offloadKv === false ? `${context.kvType} in RAM` : String(context.kvType),
    estimatedMB: Math.round(estimated / 1e5) / 10,
    buffersMB: Math.round(found / 1e5) / 10,
    difference: `${(100 * difference).toFixed(1)} %`,
    holds: Math.abs(difference) <= MOST_DIFFERENCE,
  };
}

/** Bytes of weights, KV cache and the buffers of a step on the device. @param {string} log */
function readBuffers(log) {
  const sizes = new Map(
    [...log.matchAll(/: +(\S+) +(model|KV|RS|compute) buffer size = +([\d.]+) MiB/g)]
      .filter(([, device]) => device === DEVICE)
      // A later one of the same kind stands for the earlier.
      .map(([, , kind, size]) => [kind, Number(size) * MEBIBYTE]),
  );
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
