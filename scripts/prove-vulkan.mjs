// `npm run proof:vulkan`: runs models with all, half and none of their layers on Vulkan, compares what they say with the CPU's
// addon, and checks what options of devices do. Writes docs/vulkan.json, and fails where a threshold is missed. It needs an addon
// for Vulkan; Mesa's software device (lavapipe) does where there is no GPU, since a device that computes on the CPU is used once
// it is named.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format, resolveConfig } from "prettier";
import { distDir, packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { checkAll } from "./vulkan/checks.mjs";
import { compareLogits, countProducts, sharedStart } from "./vulkan/compare.mjs";
import { dequantizeModel } from "./vulkan/dequantize.mjs";
import { crashes, succeed } from "./vulkan/start.mjs";

/** @typedef {import("./vulkan/run.mjs").Findings & { logits: Float32Array }} Answers */

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
  if (!existsSync(join(distDir(), "vulkan", "llama-native.node"))) {
    console.error("There is no addon for Vulkan here. Build one with: npx llama-native build --gpu vulkan");
    return 1;
  }
  const results = [];
  for (const each of MODELS) results.push(await prove(each));
  const rows = results.flatMap(({ rows }) => rows);
  console.table(rows);
  const checks = checkAll(await tiny("f16"));
  console.table(checks);
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    device: results[0]?.device,
    thresholds: MODELS.map(({ name, least, most, nearness }) => ({
      model: name,
      least,
      mostDivergence: most,
      nearness,
    })),
    rows,
    checks,
    crashes,
  });
  for (const crash of crashes) console.log(crash);
  const missed = [...rows, ...checks].filter(({ holds }) => !holds).length;
  console.log(
    missed === 0 ? "All thresholds hold." : `${missed} of ${rows.length + checks.length} rows miss a threshold.`,
  );
  return missed === 0 ? 0 : 1;
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
  const device = run(path, "vulkan", 0).devices.find((text) => text.startsWith("Vulkan")) ?? "none";
  if (each.exact === undefined) return { rows, device };
  const own = { model: each.name, layers: "CPU's addon", products: 0, ...alone, holds: true };
  return { rows: [own, row(all, IN_32_BITS), ...rows], device };
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

async function smollm2() {
  const { resolveModel } = await import(pathToFileURL(join(packageDir, "dist", "hub", "index.js")).href);
  return await resolveModel("smollm2");
}

/** @param {"q4_k_m" | "f16"} type */
async function tiny(type) {
  const [path] = await cachedModel({ shape: "tiny", type, seed: 1, split: 1, vocabularyOnly: false });
  return path ?? "";
}

/** @param {object} result */
async function write(result) {
  const path = join(packageDir, "docs", "vulkan.json");
  const options = await resolveConfig(path);
  writeFileSync(path, await format(JSON.stringify(result), { ...options, parser: "json" }));
}
