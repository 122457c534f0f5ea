// From nothing to the first token, with nothing of the benchmark in the way but the job.

const startedMs = performance.now();

/**
 * @param {unknown} _program
 * @param {import("../../lib/workload.js").Job} job
 */
export async function measure(_program, { modelPath, prompts, case: { contextSize } }) {
  const beforeImport = performance.now();
  const { loadModel } = await import("../../../dist/index.js");
  const imported = performance.now();
  const model = await loadModel(modelPath);
  const loaded = performance.now();
  const context = await model.createContext({ contextSize });
  const created = performance.now();
  await context.generate({ prompt: prompts[0].text, temperature: 0, maxTokens: 1 });
  const firstToken = performance.now();
  await model.dispose();
  return {
    metrics: { processMs: firstToken, importMs: firstToken - beforeImport },
    details: {
      bootMs: startedMs,
      loadLibraryMs: imported - beforeImport,
      loadModelMs: loaded - imported,
      createContextMs: created - loaded,
      firstTokenMs: firstToken - created,
    },
  };
}
