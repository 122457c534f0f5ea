import type { GenerationResult } from "../generation/result.js";
import { formatNumber } from "./format.js";
import type { AnswerFlags } from "./generation-flags.js";
import { dim } from "./style.js";

/** What is to be said of an answer, on standard error. */
export function writeNotes(result: GenerationResult, { stats, maxTokens }: AnswerFlags): void {
  const { finishReason, usage } = result;
  if (stats === true) process.stderr.write(`${dim(statistics(result), process.stderr)}\n`);
  if (finishReason !== "length" || usage.completionTokens === maxTokens) return;
  process.stderr.write(
    "llama-native: the text ends here because the context is full; --context-size makes it larger, " +
      "--context-shift drops the oldest tokens\n",
  );
}

function statistics({ usage, timings, finishReason }: GenerationResult): string {
  return [
    `prompt ${usage.promptTokens} tokens (${usage.cachedTokens} cached) at ${formatNumber(timings.promptTokensPerSecond)} tok/s`,
    `generated ${usage.completionTokens} at ${formatNumber(timings.tokensPerSecond)} tok/s`,
    `first token after ${formatNumber(timings.firstTokenMs / 1000)} s, all after ${formatNumber(timings.totalMs / 1000)} s`,
    `ended by ${finishReason}`,
  ].join("; ");
}
