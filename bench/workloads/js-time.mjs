// The JS thread's time for a token, at positions 64 and 8192.
//
// Whatever a library does in JavaScript for each token is missing from the server around it, and, on a machine of few
// cores, from the model. Work that grows with the history shows as a difference between the positions. The text is read
// as a program would that shows it to someone.
//
// A first request evaluates the prompt and lets the JIT compile what it will; the second one takes the prompt from the
// cache and is measured from its first text on, so that the time is that of its tokens. Processor time is the kernel's figure for that one thread; the event loop's active time, which also counts when the
// thread was ready to run and had no core, stands for it where the system does not tell.

import { performance } from "node:perf_hooks";

import { mainThreadCpuSeconds } from "../lib/usage.mjs";

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "JS thread's time",
  about: "Processor time of the JS thread for each token of a stream that is read as text.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  metrics: {
    cpuMicroseconds: { label: "CPU, µs a token", better: "less", digits: 1 },
    activeMicroseconds: { label: "event loop active, µs a token", better: "less", digits: 1 },
  },
  cases: ({ quick }) =>
    (quick ? [64, 512] : [64, 8192]).map((position) => ({
      name: `position ${position}`,
      model: "125m",
      ...(position === 64 ? { chart: "JS thread's CPU time, µs a token" } : {}),
      tokens: quick ? 64 : 512,
      prompts: [{ tokens: position, seed: 1 }],
      contextSize: position + 1024,
      sequences: 1,
      mostTimesSlower: 5,
      // Others take minutes for so long a prompt; what they do for each token shows at the first position.
      ...(position === 8192 ? { programs: /** @type {import("../lib/programs.mjs").Family[]} */ (["ours"]) } : {}),
    })),
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const engine = await program.open(job);
  const [prompt] = job.prompts;
  const maxTokens = job.case.tokens;
  await engine.generate(prompt, { maxTokens, onText: () => undefined });
  const start = { seen: false, loop: performance.eventLoopUtilization(), cpu: mainThreadCpuSeconds() };
  const onText = () => {
    if (start.seen) return;
    Object.assign(start, { seen: true, loop: performance.eventLoopUtilization(), cpu: mainThreadCpuSeconds() });
  };
  const count = (await engine.generate(prompt, { maxTokens, onText })) - 1;
  const cpuAfter = mainThreadCpuSeconds();
  const { active } = performance.eventLoopUtilization(start.loop);
  await engine.close();

  const activeMicroseconds = (active * 1000) / count;
  const cpuMicroseconds =
    start.cpu === null || cpuAfter === null ? activeMicroseconds : ((cpuAfter - start.cpu) * 1e6) / count;
  return { metrics: { cpuMicroseconds, activeMicroseconds }, details: { count, cpuKnown: cpuAfter !== null } };
}
