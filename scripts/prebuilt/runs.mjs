// Runs of the installed package, each in a process of its own.

import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareLogits } from "../vulkan/compare.mjs";
import { inPlace } from "../package/installs.mjs";

/**
 * @typedef {import("../package/installs.mjs").Place} Place
 * @typedef {Omit<import("./run.mjs").Order, "logits">} Order
 * @typedef {import("./run.mjs").Findings} Findings
 *
 * @typedef {import("../vulkan/compare.mjs").Likeness & { variant: string, used: string | null, sameText: boolean, text: string,
 *   tokensPerSecond: number, promptTokensPerSecond: number }} Run
 * @typedef {Run | { variant: string, refused: string }} VariantRun
 */

/**
 * @param {Place} place
 * @param {Order} order
 * @param {NodeJS.ProcessEnv} more
 * @returns {Promise<Findings>}
 */
export async function start(place, order, more) {
  const args = ["run.mjs", JSON.stringify({ ...order, logits: logitsOf(place) })];
  const output = await inPlace(place.npm.node, args, { ...place, env: { ...place.env, ...more } });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "");
}

/** Of the last run. @param {Place} place */
export function readLogits(place) {
  const bytes = readFileSync(logitsOf(place));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** @param {Place} place */
function logitsOf({ folder }) {
  return join(dirname(folder), "logits");
}

/**
 * A copy of the package that has the kernels of one kind of CPU alone.
 * @param {Place} place
 * @param {Order} order
 * @param {{ installed: string, variant: string, best: Findings, reference: Float32Array }} what
 * @returns {Promise<VariantRun>}
 */
export async function askVariant(place, order, { installed, variant, best, reference }) {
  const copy = join(dirname(place.folder), "only", variant);
  cpSync(installed, copy, { recursive: true });
  for (const file of readdirSync(copy)) {
    if (/ggml-cpu-/.test(file) && !file.includes(`ggml-cpu-${variant}.`)) rmSync(join(copy, file));
  }
  try {
    const found = await start(place, order, { LLAMA_NATIVE_ADDON: join(copy, "llama-native.node") });
    const { variant: used, text, tokensPerSecond, promptTokensPerSecond, vocabularySize } = found;
    const likeness = compareLogits(reference, readLogits(place), vocabularySize);
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
 * @param {Place} place
 * @param {Order} order
 * @param {string} local
 * @param {number} rounds
 */
export async function compareSpeed(place, order, local, rounds) {
  /** @type {{ packaged: Findings, local: Findings }[]} */
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0;
    const a = await start(place, order, first ? {} : { LLAMA_NATIVE_ADDON: local });
    const b = await start(place, order, first ? { LLAMA_NATIVE_ADDON: local } : {});
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
