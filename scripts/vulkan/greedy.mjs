// The short proof: greedy tokens with all, some and no layers on Vulkan, beside the CPU's.

import { countProducts, sharedStart } from "./compare.mjs";
import { succeed } from "./start.mjs";

// One prompt of a few tokens: a software driver takes minutes to compile the shaders that multiply many rows, and seconds for
// those that multiply up to eight.
const PROMPT = "Water boils at";

/** @typedef {{ layers: string, products: number, sharedStart: number, holds: boolean }} GreedyRow */

/** @param {string} model of 16 bits, beside which the CPU does not round activations to 8 @returns {GreedyRow[]} */
export function compareGreedy(model) {
  /** @param {"cpu" | "vulkan"} gpu @param {number} gpuLayers */
  const run = (gpu, gpuLayers) =>
    succeed({ model, load: { gpu, gpuLayers }, prompts: [PROMPT] }, { GGML_VK_PERF_LOGGER: "1" });
  const reference = run("cpu", 0);
  const all = reference.layerCount + 1; // and the output
  return [all, Math.ceil(all / 2), 0].map((gpuLayers) => {
    const { tokens, gpuLayers: there, log } = run("vulkan", gpuLayers);
    const products = countProducts(log);
    const start = sharedStart(reference.tokens, tokens);
    const isThere = there === gpuLayers && (gpuLayers === 0 ? products === 0 : products >= gpuLayers);
    return { layers: `${gpuLayers} of ${all}`, products, sharedStart: start, holds: isThere && start === 1 };
  });
}
