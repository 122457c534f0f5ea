// Idle: a model that is loaded and has nothing to do. What does it take of the processor?
//
// A server waits most of its life, and threads that spin while they wait take the cores from everyone else, and the
// battery. All threads of the program count, from half a second after a short answer.

import { setTimeout as sleep } from "node:timers/promises";

import { WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";
import { cpuSecondsOf } from "../lib/usage.mjs";

const SETTLING_MS = 500;

/** @type {import("../lib/workload.js").Workload<{ seconds: number }>} */
export const workload = {
  title: "Idle",
  about: "Processor time of a program whose model is loaded and waits, in percent of one core.",
  programs: ["ours", "llama-server", "node-llama-cpp", "fugood"],
  metrics: {
    cpuPercent: { label: "CPU, %", better: "less", digits: 2 },
  },
  cases: ({ quick }) => [
    {
      name: "125M",
      model: "125m",
      seconds: quick ? 2 : 10,
      prompts: [WARM_UP_PROMPT],
      contextSize: 4096,
      sequences: 4,
      rounds: 2,
      warmUp: false,
    },
  ],
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ seconds: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const seconds = job.case.seconds;
  const engine = await program.open(job);
  await warmUp(engine, job.prompts[0]);
  await sleep(SETTLING_MS);
  const before = cpuSecondsOf(engine.pid);
  await sleep(seconds * 1000);
  const cpuSeconds = cpuSecondsOf(engine.pid) - before;
  await engine.close();
  return { metrics: { cpuPercent: (cpuSeconds / seconds) * 100 }, details: { cpuSeconds } };
}
