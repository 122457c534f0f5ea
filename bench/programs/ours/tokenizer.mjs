import { loadModel } from "../../../dist/index.js";

/** @param {import("../../lib/workload.js").Job} job */
export async function openTokenizer({ modelPath }) {
  const model = await loadModel(modelPath);
  return {
    encode: async (/** @type {string} */ text) => (await model.tokenizer.encodeAsync(text)).length,
    close: () => model.dispose(),
  };
}
