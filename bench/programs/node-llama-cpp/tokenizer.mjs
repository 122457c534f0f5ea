import { load } from "./library.mjs";

/** @param {import("../../lib/workload.js").Job} job */
export async function openTokenizer(job) {
  const { llama, model } = await load(job);
  return {
    encode: async (/** @type {string} */ text) => model.tokenize(text).length,
    close: () => llama.dispose(),
  };
}
