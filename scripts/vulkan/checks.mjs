// What options of devices do, and what a model on a device must do as one on the CPU: each a check of what was expected
// against what was found. All of them run a tiny model with weights of 16 bits, of 2 layers and an output.

import { countProducts, readAssignments, sharedStart } from "./compare.mjs";
import { start, succeed } from "./start.mjs";

/** @typedef {import("./run.mjs").Order} Order @typedef {{ name: string, expected: string, found: string, holds: boolean }} Check */

const PROMPT = "The third planet from the sun is";
const LONG_TEXT = `${PROMPT} `.repeat(12);
const COUNTING = { GGML_VK_PERF_LOGGER: "1" };
const LOGGING = { LLAMA_NATIVE_LOG: "debug" };
/** One device under two names. */
const TWO = { GGML_VK_VISIBLE_DEVICES: "0,0" };
const gpu = /** @type {const} */ ("vulkan");
const ALL_PRODUCTS = 15;
/** Of attention and of the feed-forward part of one layer. */
const LAYER_PRODUCTS = 7;

/** @param {string} model @returns {Check[]} */
export function checkAll(model) {
  return [...checkPlaces(model), ...checkSplits(model), ...checkRefusals(model), ...checkWork(model)];
}

/** @param {string} model @returns {Check[]} */
function checkPlaces(model) {
  /** @param {Order["load"]} load @param {string} text */
  const products = (load, text) => countProducts(succeed({ model, load: { gpu, ...load }, text }, COUNTING).log);
  const overrides = { ffn_down: "CPU" };
  const onDevice = { "^blk\\.0\\.": "Vulkan0" };
  const cacheBuffers = succeed({ model, load: { gpu }, context: { offloadKv: false } }, LOGGING).log;
  return [
    equal("products of a long prompt with devices: []", 0, products({ devices: [] }, LONG_TEXT)),
    atLeast("products of a long prompt with gpuLayers: 0", 1, products({ gpuLayers: 0 }, LONG_TEXT)),
    equal(
      "products of a token with ffn_down of both layers in RAM",
      ALL_PRODUCTS - 2,
      products({ tensorOverrides: overrides }, "1"),
    ),
    // And of attention, where its cache is in RAM.
    atLeast(
      "products of a token with one layer's tensors there and gpuLayers: 0",
      LAYER_PRODUCTS,
      products({ gpuLayers: 0, tensorOverrides: onDevice }, "1"),
    ),
    equal("KV buffers with offloadKv: false", "CPU", [...new Set(readKvBuffers(cacheBuffers))].join()),
  ];
}

/** @param {string} model @returns {Check[]} */
function checkSplits(model) {
  /** @param {Order["load"]} load */
  const places = (load) =>
    readAssignments(succeed({ model, load: { gpu, ...load } }, { ...TWO, ...LOGGING }).log).join();
  const both = { devices: ["Vulkan0", "Vulkan1"] };
  const reference = succeed({ model, load: { gpu: "cpu" }, prompts: [PROMPT] }).tokens;
  const divided = succeed({ model, load: { gpu, ...both, tensorSplit: [1, 2] }, prompts: [PROMPT] }, TWO).tokens;
  return [
    equal(
      "places of layers with tensorSplit: [1, 2]",
      "Vulkan0,Vulkan1,Vulkan1",
      places({ ...both, tensorSplit: [1, 2] }),
    ),
    equal(
      "places with devices in the other order",
      "Vulkan1,Vulkan0,Vulkan0",
      places({ devices: ["Vulkan1", "Vulkan0"], tensorSplit: [1, 2] }),
    ),
    equal("places with 2 gpuLayers", "CPU,Vulkan0,Vulkan1", places({ ...both, gpuLayers: 2, tensorSplit: [1, 1] })),
    equal(
      "places with splitMode: none",
      "Vulkan1,Vulkan1,Vulkan1",
      places({ ...both, splitMode: "none", mainGpu: "Vulkan1" }),
    ),
    equal("a divided model's greedy tokens as the CPU's", 1, sharedStart(reference, divided)),
  ];
}

/** @param {string} model @returns {Check[]} */
function checkRefusals(model) {
  /** @param {Order["load"]} load */
  const message = (load) => {
    const { outcome } = start({ model, load: { gpu, ...load } });
    return "code" in outcome ? `${outcome.code}: ${outcome.message}` : "it was accepted";
  };
  const rows = 'INVALID_OPTION: Expected "layer" or "none" with Vulkan0 (Vulkan) for splitMode but received "row"';
  const name = 'INVALID_OPTION: Expected one of "Vulkan0" for devices[0] but received "Vulkan7"';
  return [
    equal("splitMode: row", rows, message({ splitMode: "row" })),
    equal("a name of no device", name, message({ devices: ["Vulkan7"] })),
  ];
}

/** @param {string} model @returns {Check[]} */
function checkWork(model) {
  const prompts = [PROMPT, "Once upon a time", "Water boils at", "One two three four"];
  const cpu = { model, load: { gpu: /** @type {const} */ ("cpu") }, prompts, embed: [PROMPT] };
  const vulkan = { ...cpu, load: { gpu } };
  const reference = succeed(cpu);
  const alone = succeed(vulkan);
  const quantized = { context: { kvType: /** @type {const} */ ("q8_0") } };
  const stopped = succeed({ ...vulkan, cancelAfter: 5 });
  const shared = sharedStart(succeed({ ...cpu, ...quantized }).tokens, succeed({ ...vulkan, ...quantized }).tokens);
  return [
    atLeast("greedy tokens with a KV cache in q8_0 as the CPU's", 0.9, shared),
    atLeast(
      "cosine of embeddings to the CPU's",
      0.9999,
      cosine(reference.embeddings[0] ?? [], alone.embeddings[0] ?? []),
    ),
    equal("a request that is cancelled ends with", "enough", stopped.cancelled),
    equal("greedy tokens after it as without it", 1, sharedStart(alone.tokens, stopped.tokens)),
    equal("the reason of the fit names the device", true, alone.reason.startsWith("All 3 layers are on Vulkan0")),
  ];
}

/** Where ggml says that caches are. @param {string} log */
function readKvBuffers(log) {
  return [...log.matchAll(/llama_kv_cache:\s+(\S+) KV buffer size/g)].map(([, name = ""]) => name);
}

/** @param {number[]} one @param {number[]} two */
function cosine(one, two) {
  const product = (/** @type {number[]} */ a, /** @type {number[]} */ b) =>
    a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
  return product(one, two) / Math.sqrt(product(one, one) * product(two, two));
}

/** @param {string} name @param {unknown} expected @param {unknown} found @returns {Check} */
function equal(name, expected, found) {
  return { name, expected: String(expected), found: String(found), holds: expected === found };
}

/** @param {string} name @param {number} least @param {number} found @returns {Check} */
function atLeast(name, least, found) {
  return { name, expected: `at least ${least}`, found: String(found), holds: found >= least };
}
