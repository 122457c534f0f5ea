// What the proof asks for.

import { ALL_FEATURES } from "./runs.mjs";

/** Set before the first run, as for the kernels of x64 (prove-prebuilt.mjs). */
const LEAST_COSINE = 0.99;
/** Of SmolLM2: random weights give logits that are nearly alike. */
const LEAST_LIKELIEST = 0.8;

/** What ggml's list has for them; for the last all that the compiler knows. @type {Record<string, string>} */
const EXPECTED = {
  "cortex-a53": "armv8.0_1",
  "cortex-a76": "armv8.2_2",
  "neoverse-n1": "armv8.2_2",
  a64fx: "armv8.0_1",
  "max,sve=off,sme=off": "armv8.2_2",
};

/**
 * @param {import("./runs.mjs").Runs} runs
 * @param {string} name of the package
 * @param {string[]} variants
 * @returns {string[]} problems
 */
export function judgeRuns({ cpus, alone }, name, variants) {
  const best = variants.at(-1);
  return [
    ...(variants.length > 0 ? [] : ["the package has no kernels"]),
    ...cpus.flatMap(({ cpu, variant, package: used, answers }) => {
      const expected = ALL_FEATURES.includes(cpu) ? best : EXPECTED[cpu];
      return [
        ...(used === name ? [] : [`${cpu}: the addon in use is of ${used ?? "no package"}`]),
        ...(variant === expected ? [] : [`${cpu}: expected the kernels ${expected} but got ${variant}`]),
        ...judgeAnswers(cpu, answers),
      ];
    }),
    ...alone.flatMap(({ variant, answers }) => judgeAnswers(`${variant} alone`, answers)),
  ];
}

/** @param {string} who @param {import("./runs.mjs").CpuRun["answers"]} answers */
function judgeAnswers(who, answers) {
  return answers.flatMap((answer) => {
    if ("failure" in answer) return [`${who}: ${answer.model} failed: ${answer.failure}`];
    const { model, leastCosine, likeliestEqual } = answer;
    if (leastCosine >= LEAST_COSINE && (model !== "SmolLM2" || likeliestEqual >= LEAST_LIKELIEST)) return [];
    return [`${who}: ${model} says something else, with a least cosine of ${leastCosine.toFixed(4)}`];
  });
}
