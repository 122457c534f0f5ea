// Cold start: from the start of the process to the first token of a short prompt.
//
// What a command, a function in the cloud or a test waits for before anything else: the runtime, the library, its addon,
// the model's file, the context. Each program has a script of its own for it, written as its users would. The file is in
// the page cache, as the round that does not count has read it.

import { WARM_UP_PROMPT } from "../lib/streams.mjs";

/** @type {import("../lib/workload.js").Workload} */
export const workload = {
  title: "Cold start",
  about: "From the start of the process, and from the import of the library, to the first token.",
  programs: ["ours", "llama-server", "node-llama-cpp", "fugood"],
  metrics: {
    processMs: { label: "process to first token, ms", better: "less", digits: 0 },
    importMs: { label: "import to first token, ms", better: "less", digits: 0 },
  },
  cases: () => [
    {
      name: "125M",
      model: "125m",
      chart: "Process start to first token, ms",
      prompts: [WARM_UP_PROMPT],
      contextSize: 4096,
    },
  ],
};
