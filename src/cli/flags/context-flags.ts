import type { ContextOptions } from "../../context/context-options.js";
import type { FlagsFor } from "./flag-table.js";
import { kvType, number } from "./values.js";

export const contextSizeHelp = 'tokens of prompt and answers together, or "auto": as many as fit';

export const contextFlags = {
  contextSize: { value: "<tokens>", parse: number, help: `${contextSizeHelp} (4096)` },
  batchSize: { value: "<tokens>", parse: number, help: "of one step at most (512)" },
  microBatchSize: {
    value: "<tokens>",
    parse: number,
    help: "computed at once within a step (512 with a GPU, else 128)",
  },
  threads: { value: "<count>", parse: number, help: "for generating; 0 is what suits this machine (0)" },
  batchThreads: { value: "<count>", parse: number, help: "for prompts; 0 is as many as --threads (0)" },
  kvType: {
    value: "<type>",
    parse: kvType,
    help: "number format of the KV cache: e.g. q8_0, or q8_0,f16, or auto (f16)",
  },
  flashAttention: { value: "<mode>", help: "auto, on or off (auto)" },
  offloadKv: { name: "no-offload-kv", help: "keep the KV cache off the GPU" },
  ropeFrequencyBase: { value: "<number>", parse: number, help: "in place of the model's own" },
  ropeFrequencyScale: { value: "<number>", parse: number, help: "in place of the model's own" },
  // One request runs at a time.
  sequences: null,
  queueSize: null,
  packetInterval: null,
  ramCacheSize: null,
} satisfies FlagsFor<ContextOptions>;
