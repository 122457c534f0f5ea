import type { RequestOptions } from "../../context/request-options.js";
import type { SamplingOptions } from "../../sampling/sampling-options.js";
import type { FlagsFor } from "./flag-table.js";
import { number, numbers } from "./values.js";

/** Of a request, but for its sampling. */
export const requestFlags = {
  maxTokens: { value: "<tokens>", parse: number, help: "generate at most so many (until the context is full)" },
  stop: { value: "<text>", parseAll: (texts) => texts, help: "end at this text, which is left out; repeatable" },
  stopTokens: { value: "<ids>", parse: numbers, help: "end at these tokens, separated by commas" },
  ignoreEos: { help: "forbid the tokens that end an answer" },
  logprobs: { value: "[count]", parse: number, help: "log-probabilities, and of so many alternatives (with --json)" },
  promptLookup: {
    value: "[tokens]",
    parse: number,
    help: "draft so many tokens from what is repeated, to be faster there",
  },
  draft: { value: "<tokens>", parse: number, help: "that --draft-model drafts a step at most; 0 is off (16)" },
  contextShift: { help: "drop the oldest tokens, or turns, when the context is full, and go on" },
  keepTokens: { value: "<tokens>", parse: number, help: "at the beginning, that --context-shift keeps (0)" },
  cachePrompt: { name: "no-cache-prompt", help: "evaluate the whole prompt again in every turn" },
  renderSpecial: { help: "show control tokens in the text" },
  // One request runs at a time, and who waits can press Ctrl-C.
  priority: null,
  timeout: null,
  signal: null,
  onToken: null,
} satisfies FlagsFor<Omit<RequestOptions, keyof SamplingOptions>>;
