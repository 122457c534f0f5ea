// The workloads, in the order of the report.

/** @satisfies {Record<string, () => Promise<{ workload: import("./workload.js").Workload }>>} */
const WORKLOADS = {
  "single-stream": () => import("../workloads/single-stream.mjs"),
  "single-stream-7b": () => import("../workloads/single-stream-7b.mjs"),
  streams: () => import("../workloads/streams.mjs"),
  "shared-prefix": () => import("../workloads/shared-prefix.mjs"),
  stall: () => import("../workloads/stall.mjs"),
  cancel: () => import("../workloads/cancel.mjs"),
  chat: () => import("../workloads/chat.mjs"),
  "json-grammar": () => import("../workloads/json-grammar.mjs"),
  "prompt-lookup": () => import("../workloads/prompt-lookup.mjs"),
  "draft-model": () => import("../workloads/draft-model.mjs"),
  "cold-start": () => import("../workloads/cold-start.mjs"),
  "event-loop": () => import("../workloads/event-loop.mjs"),
  "js-time": () => import("../workloads/js-time.mjs"),
  "js-memory": () => import("../workloads/js-memory.mjs"),
  memory: () => import("../workloads/memory.mjs"),
  idle: () => import("../workloads/idle.mjs"),
};

/** @typedef {keyof typeof WORKLOADS} WorkloadName */

export const WORKLOAD_NAMES = /** @type {WorkloadName[]} */ (Object.keys(WORKLOADS));

/** @param {WorkloadName} name */
export async function loadWorkload(name) {
  const { workload } = await WORKLOADS[name]();
  return workload;
}
