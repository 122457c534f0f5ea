// `npm run proof:vulkan`: runs models with all, half and none of their layers on Vulkan, compares what they say with the CPU's
// addon, and checks what options of devices do and how near estimates of a device's memory are. Writes docs/vulkan.json, and fails where a threshold is missed. It needs an addon
// for Vulkan; Mesa's software device (lavapipe) does where there is no GPU, since a device that computes on the CPU is used once
// it is named.
//
// `--cached`, as checks of every change run it: a shorter one that builds nothing and writes nothing, with an addon of these sources
// from the cache. Where there is none, or no driver, it says in one line that Vulkan was not run, and fails nothing.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { format, resolveConfig } from "prettier";
import { distDir, packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { takeCachedAddons } from "./vulkan/cached.mjs";
import { checkAll } from "./vulkan/checks.mjs";
import { compareLogits, countProducts, sharedStart } from "./vulkan/compare.mjs";
import { dequantizeModel } from "./vulkan/dequantize.mjs";
import { compareGreedy } from "./vulkan/greedy.mjs";
import { compareMemory } from "./vulkan/memory.mjs";
import { crashes, succeed } from "./vulkan/start.mjs";

/** @typedef {import("./vulkan/run.mjs").Findings & { logits: Float32Array }} Answers */

const { cached: isShort } = parseArgs({ options: { cached: { type: "boolean", default: false } } }).values;
const folder = mkdtempSync(join(tmpdir(), "llama-native-vulkan-"));

// With quantized weights the CPU rounds activations to 8 bits, which Vulkan does not; the greatest of thousands of logits that lie
// close together may then be another. So a trained model is compared with its own weights in 32 bits, beside which the CPU does
// not round: `exact` makes those. Vulkan multiplies in 16 bits where a device can; with that forbidden all its layers there must keep
// to `least` and `most`. Other rows must come as near as the CPU alone does, by `nearness` times its divergence.
const MODELS = [
  {
    name: "SmolLM2-135M-Instruct Q4_1",
    model: smollm2,
    exact: dequantized,
    least: { start: 1, likeliest: 0.99, cosine: 0.9999 },
    most: 0.00001,
    nearness: 1.25,
  },
  // Beside weights of 16 bits the CPU does not round activations to 8.
  {
    name: "random weights, Mistral's shape, 2 layers, F16",
    model: () => tiny("f16"),
    least: { likeliest: 0.95, cosine: 0.9999 },
    most: 0.0001,
  },
  {
    name: "random weights, Mistral's shape, 2 layers, Q4_K_M",
    model: () => tiny("q4_k_m"),
    least: { cosine: 0.999 },
    most: 0.01,
  },
];
/** Keeps ggml from 16-bit arithmetic on the device. */
const IN_32_BITS = { GGML_VK_DISABLE_F16: "1" };
const PROMPTS = ["The capital of France is", "Once upon a time,", "Water boils at", "1, 2, 3, 4,"];
const TEXT =
  "The sun is a star at the centre of the solar system. It is a nearly round ball of hot plasma, heated by reactions in its " +
  "core, and it gives off its energy as light. Eight planets go around it, and the third of them is the Earth.";

try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const reason = await prepare();
  if (reason !== null) {
    const message = `Vulkan was not run: ${reason}.`;
    if (isShort) console.log(message);
    else console.error(message);
    return isShort ? 0 : 1;
  }
  const rows = isShort ? compareGreedy(await tiny("f16")) : await proveAll();
  if (isShort) console.table(rows);
  for (const crash of crashes) console.log(crash);
  const missed = rows.filter(({ holds }) => !holds).length;
  const verdict = missed === 0 ? "All thresholds hold" : `${missed} of ${rows.length} rows miss a threshold`;
  console.log(
    `${verdict}${crashes.length === 0 ? "" : `, with ${crashes.length} crashes of runs that were repeated`}.`,
  );
  return missed === 0 ? 0 : 1;
}

async function proveAll() {
  const rows = [];
  for (const each of MODELS) rows.push(...(await prove(each)));
  console.table(rows);
  const checks = checkAll(await tiny("f16"));
  console.table(checks);
  const memory = compareMemory(await modelsOfMemory());
  console.table(memory);
  await write(await nameDevice(), rows, checks, memory);
  return [...rows, ...checks, ...memory];
}

/** With all layers, some, and of the largest as many as a software device of 2 GB has room for. */
async function modelsOfMemory() {
  const written = async (/** @type {"125m" | "7b"} */ shape) => {
    const [path] = await cachedModel({ shape, type: "q4_k_m", seed: 1, split: 1, vocabularyOnly: false });
    return path ?? "";
  };
  return [
    { name: "Mistral's shape, 125M, Q4_K_M", path: await written("125m"), layers: [13, 7] },
    { name: "SmolLM2-135M-Instruct Q4_1", path: await smollm2(), layers: [31, 16] },
    { name: "Mistral's shape, 7B, Q4_K_M", path: await written("7b"), layers: [12] },
  ];
}

/** Sees to it that there are addons. @returns {Promise<string | null>} why there is nothing to run, or null */
async function prepare() {
  if (!isShort) {
    const exists = existsSync(join(distDir(), "vulkan", "llama-native.node"));
    return exists ? null : "there is no addon for it here; `npx llama-native build --gpu vulkan` makes it";
  }
  const dist = join(folder, "dist");
  // For the library, in each of the processes.
  process.env.LLAMA_NATIVE_OUT_DIR = dist;
  return await takeCachedAddons(dist);
}

/** What it says of itself. */
async function nameDevice() {
  const { devices } = run(await tiny("f16"), "vulkan", 0);
  return devices.find((text) => text.startsWith("Vulkan")) ?? "none";
}

/** @param {typeof MODELS[number]} each */
async function prove(each) {
  const path = await each.model();
  const cpu = run(path, "cpu", 0);
  const reference = each.exact === undefined ? cpu : run(await each.exact(path), "cpu", 0);
  const all = reference.layerCount + 1; // and the output
  const alone = compare(reference, cpu);
  /** @param {number} gpuLayers @param {NodeJS.ProcessEnv} [env] */
  const row = (gpuLayers, env) => {
    const found = run(path, "vulkan", gpuLayers, env);
    const products = productsOf(path, gpuLayers);
    const likeness = compare(reference, found);
    const isThere = found.gpuLayers === gpuLayers && (gpuLayers === 0 ? products === 0 : products >= gpuLayers - 1);
    const isNear =
      each.exact !== undefined && env === undefined
        ? likeness.divergence <= alone.divergence * (each.nearness ?? 1)
        : keeps(likeness, each);
    const layers = `${gpuLayers} of ${all}${env === undefined ? "" : " in 32 bits"}`;
    return { model: each.name, layers, products, ...likeness, holds: isThere && isNear };
  };
  const rows = [all, Math.ceil(all / 2), 0].map((gpuLayers) => row(gpuLayers));
  if (each.exact === undefined) return rows;
  const own = { model: each.name, layers: "CPU's addon", products: 0, ...alone, holds: true };
  return [own, row(all, IN_32_BITS), ...rows];
}

/** @param {Answers} reference @param {Answers} found */
function compare(reference, found) {
  const likeness = compareLogits(reference.logits, found.logits, found.vocabularySize);
  return { sharedStart: sharedStart(reference.tokens, found.tokens), ...likeness };
}

/** @param {ReturnType<typeof compare>} likeness @param {typeof MODELS[number]} thresholds */
function keeps({ sharedStart: start, likeliestEqual, divergence, leastCosine }, { least, most }) {
  return (
    start >= (least.start ?? 0) &&
    likeliestEqual >= (least.likeliest ?? 0) &&
    leastCosine >= least.cosine &&
    divergence <= most
  );
}

/**
 * @param {string} model
 * @param {"cpu" | "vulkan"} gpu
 * @param {number} gpuLayers
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Answers}
 */
function run(model, gpu, gpuLayers, env) {
  const logits = join(folder, "logits");
  const findings = succeed({ model, load: { gpu, gpuLayers }, prompts: PROMPTS, text: TEXT, logits }, env);
  const bytes = readFileSync(logits);
  return { ...findings, logits: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) };
}

/** Matrix products on Vulkan for one token. @param {string} model @param {number} gpuLayers */
function productsOf(model, gpuLayers) {
  const { log } = succeed({ model, load: { gpu: "vulkan", gpuLayers }, text: "1" }, { GGML_VK_PERF_LOGGER: "1" });
  return countProducts(log);
}

/** @param {string} path */
async function dequantized(path) {
  const { inspectModel } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);
  const target = join(folder, "exact.gguf");
  dequantizeModel(path, (await inspectModel(path)).tensors, target);
  return target;
}

/** @param {"q4_k_m" | "f16"} type */
async function tiny(type) {
  const [path] = await cachedModel({ shape: "tiny", type, seed: 1, split: 1, vocabularyOnly: false });
  return path ?? "";
}

/**
 * @param {string} device
 * @param {object[]} rows
 * @param {import("./vulkan/checks.mjs").Check[]} checks
 * @param {import("./vulkan/memory.mjs").MemoryRow[]} memory
 */
async function write(device, rows, checks, memory) {
  const result = {
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    device,
    thresholds: MODELS.map(({ name, least, most, nearness }) => ({
      model: name,
      least,
      mostDivergence: most,
      nearness,
    })),
    ...{ rows, checks, memory, crashes },
  };
  const path = join(packageDir, "docs", "vulkan.json");
  const options = await resolveConfig(path);
  writeFileSync(path, await format(JSON.stringify(result), { ...options, parser: "json" }));
}
