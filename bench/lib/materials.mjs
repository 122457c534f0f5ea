// What the cases need before they run: model files, and prompts in the tokens of these models.

import { modelFile } from "./models.mjs";
import { makePrompt } from "./prompts.mjs";

export class Materials {
  /** @type {Map<string, Promise<{ path: string, tokenizer: import("./prompts.mjs").Encoder }>>} */
  #models = new Map();

  /**
   * @param {import("./workload.js").Case} testCase
   * @returns {Promise<{ modelPath: string, prompts: import("./prompts.mjs").Prompt[] }>}
   */
  async for({ model, prompts = [] }) {
    const loading = this.#models.get(model) ?? this.#load(model);
    this.#models.set(model, loading);
    const { path, tokenizer } = await loading;
    return { modelPath: path, prompts: prompts.map((plan) => makePrompt(plan, tokenizer)) };
  }

  /** @param {import("./models.mjs").ModelName} name */
  async #load(name) {
    const { loadModel } = await import("../../dist/index.js");
    const path = await modelFile(name);
    const { tokenizer } = await loadModel(path, { vocabularyOnly: true });
    return { path, tokenizer };
  }
}
