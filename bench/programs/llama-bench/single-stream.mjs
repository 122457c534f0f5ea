import { runBench } from "./bench.mjs";

/**
 * @param {unknown} _program
 * @param {import("../../lib/workload.js").Job<{ depth: number, tokens: number }>} job
 */
export async function measure(_program, job) {
  const { tokens, depth } = job.case;
  const tokensPerSecond = await runBench(job, { tokens, depth });
  return { metrics: { tokensPerSecond }, details: { threads: job.program.threads } };
}
