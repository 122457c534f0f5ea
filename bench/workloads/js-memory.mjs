// What a token costs the JS heap, at positions 64 and 8192: bytes allocated, bytes that stay, and promises.
//
// Garbage is collected on the JS thread, and what stays limits how long a stream may run. Where a figure depends on the
// position, something is copied or kept for each token that grows with the history.
//
// The process has a young generation that is large enough for all of the measurement, and does not collect because it has
// little to do, so that the heap's growth is what was allocated. Promises are counted in a request of their own, as counting costs.

import { createHook } from "node:async_hooks";
import { PerformanceObserver } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "JS heap and promises",
  about: "Bytes that a token of a stream read as text takes on the JS heap, and promises made for it.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  metrics: {
    allocatedBytes: { label: "allocated, bytes a token", better: "less", digits: 0 },
    keptBytes: { label: "kept, bytes a token", better: "less", digits: 0 },
    promises: { label: "promises a token", better: "less", digits: 2 },
  },
  cases: ({ quick }) =>
    (quick ? [64, 512] : [64, 8192]).map((position) => ({
      name: `position ${position}`,
      model: "125m",
      tokens: quick ? 64 : 256,
      prompts: [{ tokens: position, seed: 1 }],
      contextSize: position + 1024,
      sequences: 1,
      mostTimesSlower: 5,
      // Others take minutes for so long a prompt; what they do for each token shows at the first position.
      ...(position === 8192 ? { programs: /** @type {import("../lib/programs.mjs").Family[]} */ (["ours"]) } : {}),
      rounds: 3,
      nodeOptions: ["--expose-gc", "--max-semi-space-size=128", "--min-semi-space-size=128", "--no-memory-reducer"],
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
  const generate = (/** @type {() => void} */ onText) => engine.generate(prompt, { maxTokens, onText });
  await generate(ignore);

  await collect();
  const collections = countCollections();
  /** What the request itself takes, which grows with its prompt, is not a token's. */
  let before = 0;
  const count = (await generate(() => (before ||= process.memoryUsage().heapUsed))) - 1;
  const after = process.memoryUsage().heapUsed;
  if ((await collections()) > 0) throw new Error("Garbage was collected meanwhile: what was allocated is not known");

  await collect();
  const settled = process.memoryUsage().heapUsed;
  await generate(ignore);
  await collect();
  const kept = process.memoryUsage().heapUsed - settled;
  const promises = await countPromises(() => generate(ignore));
  await engine.close();
  return {
    metrics: { allocatedBytes: (after - before) / count, keptBytes: kept / count, promises: promises / count },
    details: { count },
  };
}

/** @returns {() => Promise<number>} tells how many there have been */
function countCollections() {
  let count = 0;
  const observer = new PerformanceObserver((list) => (count += list.getEntries().length));
  observer.observe({ entryTypes: ["gc"] });
  return async () => {
    await sleep(0); // entries arrive in a task of their own
    observer.disconnect();
    return count;
  };
}

/** Finalizers run in tasks and free more, so that one collection is not enough. */
async function collect() {
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc?.();
    await sleep(10);
  }
}

/** @param {() => Promise<unknown>} work */
async function countPromises(work) {
  let count = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === "PROMISE") count += 1;
    },
  });
  hook.enable();
  await work();
  hook.disable();
  return count;
}

function ignore() {
  // Someone would show the text.
}
