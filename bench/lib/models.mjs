// The models: random weights in Mistral's shape, which compute what the real ones compute, and SmolLM2 where text matters.

import { countingModel } from "../../scripts/lib/counting-model.mjs";
import { cachedModel } from "../../scripts/models/cached-model.mjs";
import { smollm2 } from "../../scripts/models/smollm2.mjs";

/** @typedef {"125m" | "7b" | "smollm2" | "counting-125m" | "counting-tiny"} ModelName */

/** @type {Record<ModelName, string>} */
export const MODEL_LABELS = {
  "125m": "Mistral's shape with 125 million parameters, random weights, Q4_K_M",
  "7b": "Mistral-7B's shape, random weights, Q4_K_M",
  smollm2: "SmolLM2-135M-Instruct, Q4_1",
  "counting-125m": "Mistral's shape with 125 million parameters that says the next token of the vocabulary, F16",
  "counting-tiny": "Mistral's shape with 18 million parameters that says it too but for every tenth token, F16",
};

/**
 * @param {ModelName} name
 * @returns {Promise<string>} the path of the file, which is made or fetched where it is missing
 */
export async function modelFile(name) {
  if (name === "smollm2") return smollm2();
  if (name === "counting-125m") return countingModel("125m");
  if (name === "counting-tiny") return countingModel("tiny", 10);
  const [path] = await cachedModel({ shape: name, type: "q4_k_m", seed: 1, split: 1, vocabularyOnly: false });
  return path;
}
