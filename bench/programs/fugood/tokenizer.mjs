import { load } from "./library.mjs";

/** @param {import("../../lib/workload.js").Job} job */
export async function openTokenizer(job) {
  const context = await load(job);
  return {
    encode: async (/** @type {string} */ text) => (await context.tokenize(text)).tokens.length,
    close: () => context.release(),
  };
}
