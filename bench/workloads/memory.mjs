// Memory: how much of the machine a model takes, once it has answered, and at most while it was loaded.
//
// Weights that are rearranged for the CPU are a copy, and the mapped file beside it counts as long as its pages stay; so
// a program may take twice the file's size. The whole context of 32768 tokens with a quantized KV cache is what decides
// whether a machine of 8 GB can use the model at all.
//
// Resident pages of the process that runs the model, Node included where it is Node.

import { WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";
import { memoryOf } from "../lib/usage.mjs";

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "Memory",
  about: "Resident memory after a short answer, and at most since the start.",
  programs: ["ours", "llama-server", "node-llama-cpp", "fugood"],
  metrics: {
    residentGb: { label: "resident, GB", better: "less", digits: 2 },
    peakGb: { label: "at most, GB", better: "less", digits: 2 },
    anonymousGb: { label: "not of files, GB", better: "less", digits: 2 },
  },
  cases: ({ quick }) => [
    { ...common("125m"), name: "125M, 4096 tokens", contextSize: 4096 },
    ...(quick
      ? []
      : [
          { ...common("7b"), name: "7B, 4096 tokens", contextSize: 4096, chart: "7B and 4096 tokens, resident GB" },
          .../** @type {const} */ (["q8_0", "q4_0"]).map((kvType) => ({
            ...common("7b"),
            name: `7B, 32768 tokens, KV ${kvType}`,
            contextSize: 32768,
            kvType,
            programs: /** @type {import("../lib/programs.mjs").Family[]} */ ([
              "ours",
              "llama-server",
              "node-llama-cpp",
            ]),
          })),
        ]),
  ],
};

/** @param {import("../lib/models.mjs").ModelName} model */
function common(model) {
  const once = { rounds: 1, warmUp: false, timeoutSeconds: 900, mostTimesSlower: 5 };
  return { model, sequences: 1, tokens: 8, prompts: [WARM_UP_PROMPT], ...once };
}

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const engine = await program.open(job);
  await warmUp(engine, job.prompts[0], job.case.tokens);
  const { residentBytes, peakBytes, anonymousBytes } = memoryOf(engine.pid);
  await engine.close();
  const metrics = { residentGb: residentBytes / 1e9, peakGb: peakBytes / 1e9, anonymousGb: anonymousBytes / 1e9 };
  return { metrics };
}
