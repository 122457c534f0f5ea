/**
 * @param {import("../../lib/workload.js").Job} job
 */
export async function load({ modelPath, program, case: { contextSize, sequences, kvType } }) {
  const name = "@fugood/llama.node";
  const { loadModel } = await import(name);
  return loadModel({
    model: modelPath,
    n_gpu_layers: 0,
    n_ctx: contextSize,
    ...(sequences === undefined ? {} : { n_parallel: sequences }),
    ...(program.threads === null ? {} : { n_threads: program.threads }),
    ...(kvType === undefined ? {} : { cache_type_k: kvType, cache_type_v: kvType }),
  });
}
