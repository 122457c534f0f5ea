// `npm run proof:vulkan`: runs models with all, half and none of their layers on Vulkan beside the CPU's addon, and compares
// what they say. Writes docs/vulkan.json, and fails where a threshold is missed. It needs an addon for Vulkan; Mesa's software
// device (lavapipe) does where there is no GPU, since a device that computes on the CPU is used once it is named.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format, resolveConfig } from "prettier";
import { distDir, packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { compareLogits, countProducts, sharedStart } from "./vulkan/compare.mjs";

/** @typedef {import("./vulkan/run.mjs").Order} Order @typedef {import("./vulkan/run.mjs").Findings} Findings */

// Both compute with quantized weights, but Vulkan keeps activations in 16 or 32 bits where the CPU rounds them to 8; the greatest of
// thousands of logits that lie close together may then be another, in a trained model seldom. Of random weights all lie close.
const MODELS = [
  {
    name: "SmolLM2-135M-Instruct Q4_1",
    model: smollm2,
    least: { start: 0.9, likeliest: 0.9, cosine: 0.999 },
    most: 0.01,
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
const PROMPTS = ["The capital of France is", "Once upon a time,", "Water boils at", "1, 2, 3, 4,"];
const MAX_TOKENS = 12;
const TEXT =
  "The sun is a star at the centre of the solar system. It is a nearly round ball of hot plasma, heated by reactions in its " +
  "core, and it gives off its energy as light. Eight planets go around it, and the third of them is the Earth.";

/** Mesa 22.3's software driver ends a process now and then; such a run is repeated, and told in the result. */
const ATTEMPTS = 3;
/** @type {string[]} */
const crashes = [];

const folder = mkdtempSync(join(tmpdir(), "llama-native-vulkan-"));
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
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    device: results[0]?.device,
    thresholds: MODELS.map(({ name, least, most }) => ({ model: name, least, mostDivergence: most })),
    rows,
    crashes,
  });
  for (const crash of crashes) console.log(crash);
  const missed = rows.filter(({ holds }) => !holds).length;
  console.log(missed === 0 ? "All thresholds hold." : `${missed} of ${rows.length} rows miss a threshold.`);
  return missed === 0 ? 0 : 1;
}

/** @param {typeof MODELS[number]} each */
async function prove({ name, model, least, most }) {
  const path = await model();
  const reference = run(path, "cpu", 0);
  const all = reference.layerCount + 1; // and the output
  let device = "";
  const rows = [all, Math.ceil(all / 2), 0].map((gpuLayers) => {
    const found = run(path, "vulkan", gpuLayers);
    const likeness = compareLogits(reference.logits, found.logits, found.vocabularySize);
    const start = sharedStart(reference.tokens, found.tokens);
    const products = productsOf(path, gpuLayers);
    device = found.devices.find((text) => text.startsWith("Vulkan")) ?? "none";
    const holds =
      found.gpuLayers === gpuLayers &&
      start >= (least.start ?? 0) &&
      likeness.likeliestEqual >= (least.likeliest ?? 0) &&
      likeness.leastCosine >= least.cosine &&
      likeness.divergence <= most &&
      products >= (gpuLayers === 0 ? 0 : gpuLayers - 1) &&
      (gpuLayers > 0 || products === 0);
    return { model: name, layers: `${gpuLayers} of ${all}`, products, sharedStart: start, ...likeness, holds };
  });
  return { rows, device };
}

/**
 * @param {string} model
 * @param {"cpu" | "vulkan"} gpu
 * @param {number} gpuLayers
 * @returns {Findings & { logits: Float32Array }}
 */
function run(model, gpu, gpuLayers) {
  const logits = join(folder, `${gpu}-${gpuLayers}.logits`);
  const order = { model, gpu, gpuLayers, prompts: PROMPTS, maxTokens: MAX_TOKENS, text: TEXT, logits };
  const findings = JSON.parse(start(order, {}).stdout.trim().split("\n").at(-1) ?? "");
  const bytes = readFileSync(logits);
  return { ...findings, logits: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) };
}

/** Matrix products on Vulkan for one token. @param {string} model @param {number} gpuLayers */
function productsOf(model, gpuLayers) {
  const order = {
    model,
    gpu: /** @type {const} */ ("vulkan"),
    gpuLayers,
    prompts: [],
    maxTokens: 1,
    text: "1",
    logits: null,
  };
  return countProducts(start(order, { GGML_VK_PERF_LOGGER: "1" }).stderr);
}

/** @param {Order} order @param {NodeJS.ProcessEnv} more */
function start(order, more) {
  // Without it ggml leaves devices out that compute on the CPU.
  const env = { GGML_VK_VISIBLE_DEVICES: "0", ...process.env, ...more };
  const script = join(packageDir, "scripts", "vulkan", "run.mjs");
  const [command, options] = [[script, JSON.stringify(order)], { env, maxBuffer: 1e9 }];
  for (let attempt = 1; ; attempt++) {
    const child = spawnSync(process.execPath, command, { ...options, encoding: "utf8" });
    if (child.stdout.includes('"tokens"')) return child;
    const end = `The run with ${order.gpuLayers} layers on ${order.gpu} ended with ${child.status ?? child.signal}`;
    if (child.signal === null || attempt === ATTEMPTS) throw new Error(`${end}:\n${child.stderr}`);
    crashes.push(`${end}, and was repeated`);
  }
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
