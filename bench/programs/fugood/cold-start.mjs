// From nothing to the first token, with nothing of the benchmark in the way but the job.

/**
 * @param {unknown} _program
 * @param {import("../../lib/workload.js").Job} job
 */
export async function measure(_program, { modelPath, prompts, case: { contextSize } }) {
  const beforeImport = performance.now();
  const name = "@fugood/llama.node";
  const { loadModel } = await import(name);
  const context = await loadModel({ model: modelPath, n_gpu_layers: 0, n_ctx: contextSize });
  const loaded = performance.now();
  await context.completion({ prompt: prompts[0].text, temperature: 0, n_predict: 1 });
  const firstToken = performance.now();
  await context.release();
  return {
    metrics: { processMs: firstToken, importMs: firstToken - beforeImport },
    details: { loadMs: loaded - beforeImport, firstTokenMs: firstToken - loaded },
  };
}
