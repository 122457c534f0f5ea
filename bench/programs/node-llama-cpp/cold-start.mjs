// From nothing to the first token, with nothing of the benchmark in the way but the job.

/**
 * @param {unknown} _program
 * @param {import("../../lib/workload.js").Job} job
 */
export async function measure(_program, { modelPath, prompts, case: { contextSize } }) {
  const beforeImport = performance.now();
  const name = "node-llama-cpp";
  const { getLlama, LlamaCompletion } = await import(name);
  const imported = performance.now();
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", progressLogs: false });
  const started = performance.now();
  const model = await llama.loadModel({ modelPath });
  const loaded = performance.now();
  const context = await model.createContext({ contextSize });
  const created = performance.now();
  const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
  await completion.generateCompletion(prompts[0].text, { maxTokens: 1 });
  const firstToken = performance.now();
  await llama.dispose();
  return {
    metrics: { processMs: firstToken, importMs: firstToken - beforeImport },
    details: {
      loadLibraryMs: imported - beforeImport,
      getLlamaMs: started - imported,
      loadModelMs: loaded - started,
      createContextMs: created - loaded,
      firstTokenMs: firstToken - created,
    },
  };
}
