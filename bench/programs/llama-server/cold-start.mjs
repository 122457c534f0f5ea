import { open } from "./engine.mjs";

/**
 * @param {unknown} _program
 * @param {import("../../lib/workload.js").Job} job
 */
export async function measure(_program, job) {
  const started = performance.now();
  const engine = await open(job);
  const ready = performance.now();
  await engine.generate(job.prompts[0], { maxTokens: 1 });
  const firstToken = performance.now();
  await engine.close();
  return {
    metrics: { processMs: firstToken - started },
    details: { readyMs: ready - started, firstTokenMs: firstToken - ready },
  };
}
