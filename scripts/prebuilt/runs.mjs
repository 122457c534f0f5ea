// Runs of the installed package, each in a process of its own.

import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareLogits } from "../vulkan/compare.mjs";
import { offline } from "./consumer.mjs";

/**
 * @typedef {import("./consumer.mjs").Consumer} Consumer
 * @typedef {Omit<import("./run.mjs").Order, "logits">} Order
 * @typedef {import("./run.mjs").Findings} Findings
 *
 * @typedef {import("../vulkan/compare.mjs").Likeness & { variant: string, used: string | null, sameText: boolean, text: string,
 *   tokensPerSecond: number, promptTokensPerSecond: number }} Run
 * @typedef {Run | { variant: string, refused: string }} VariantRun
 */

/**
 * @param {Consumer} consumer
 * @param {Order} order
 * @param {NodeJS.ProcessEnv} more
 * @returns {Promise<Findings>}
 */
export async function start({ folder, env }, order, more) {
  const logits = logitsOf({ folder });
  const output = await offline(["node", "run.mjs", JSON.stringify({ ...order, logits })], folder, { ...env, ...more });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "");
}

/** Of the last run. @param {{ folder: string }} consumer */
export function readLogits(consumer) {
  const bytes = readFileSync(logitsOf(consumer));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** @param {{ folder: string }} consumer */
function logitsOf({ folder }) {
  return join(dirname(folder), "logits");
}

/**
 * A copy of the package that has the kernels of one kind of CPU alone.
 * @param {Consumer} consumer
 * @param {Order} order
 * @param {{ installed: string, variant: string, best: Findings, reference: Float32Array }} what
 * @returns {Promise<VariantRun>}
 */
export async function askVariant(consumer, order, { installed, variant, best, reference }) {
  const copy = join(dirname(consumer.folder), "only", variant);
  cpSync(installed, copy, { recursive: true });
  for (const file of readdirSync(copy)) {
    if (/ggml-cpu-/.test(file) && !file.includes(`ggml-cpu-${variant}.`)) rmSync(join(copy, file));
  }
  try {
    const found = await start(consumer, order, { LLAMA_NATIVE_ADDON: join(copy, "llama-native.node") });
    const { variant: used, text, tokensPerSecond, promptTokensPerSecond, vocabularySize } = found;
    const likeness = compareLogits(reference, readLogits(consumer), vocabularySize);
    return { variant, used, sameText: text === best.text, ...likeness, text, tokensPerSecond, promptTokensPerSecond };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const refused = /Expected kernels for this CPU .* found none/.exec(words)?.[0];
    if (refused === undefined) throw error;
    return { variant, refused: "this CPU cannot run it" };
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/**
 * The package's addon beside the one built here, in turns, so that what else the machine does meets both.
 * @param {Consumer} consumer
 * @param {Order} order
 * @param {string} local
 * @param {number} rounds
 */
export async function compareSpeed(consumer, order, local, rounds) {
  /** @type {{ packaged: Findings, local: Findings }[]} */
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0;
    const a = await start(consumer, order, first ? {} : { LLAMA_NATIVE_ADDON: local });
    const b = await start(consumer, order, first ? { LLAMA_NATIVE_ADDON: local } : {});
    pairs.push(first ? { packaged: a, local: b } : { packaged: b, local: a });
  }
  const ratioOf = (/** @type {"tokensPerSecond" | "promptTokensPerSecond"} */ speed) =>
    median(pairs.map(({ packaged, local: own }) => packaged[speed] / own[speed]));
  return {
    rounds,
    packaged: summary(pairs.map((pair) => pair.packaged)),
    local: summary(pairs.map((pair) => pair.local)),
    ratio: ratioOf("tokensPerSecond"),
    promptRatio: ratioOf("promptTokensPerSecond"),
  };
}

/** @param {Findings[]} runs */
function summary(runs) {
  return {
    tokensPerSecond: median(runs.map((run) => run.tokensPerSecond)),
    promptTokensPerSecond: median(runs.map((run) => run.promptTokensPerSecond)),
    loadMilliseconds: median(runs.map((run) => run.loadMilliseconds)),
  };
}

/** @param {number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}
