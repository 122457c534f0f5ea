import type { AnswerParser } from "../generation/answer-parser.js";
import type { Generation } from "../generation/generation.js";
import type { Prompt } from "../generation/generation-run.js";
import { GenerationRun } from "../generation/generation-run.js";
import type { GenerationResult } from "../generation/result.js";
import type { Model } from "../model/model.js";
import { captureOrigin } from "../native/errors.js";
import type { Engine } from "./engine.js";
import type { ReadRequestOptions } from "./request-options.js";
import { interpretRequest } from "./request-options.js";

export interface StartOptions {
  readonly model: Model;
  /** Asked once the prompt is ready; a promise where the context is still to be made. */
  readonly engine: () => Engine | Promise<Engine>;
  readonly options: ReadRequestOptions;
  /** Makes the prompt. Runs at once; long texts are worked on off the JS thread. */
  readonly prompt: () => Prompt | Promise<Prompt>;
  /** Where the answer may call tools, or begin with thoughts. */
  readonly reader?: AnswerParser | undefined;
  readonly onSettled?: (result: GenerationResult | undefined) => void;
}

/** Starts a request. Options are fully checked before this returns; everything else that fails rejects the generation. */
export function startGeneration({ model, engine, options, prompt, reader, onSettled }: StartOptions): Generation {
  const { tokenizer } = model;
  const plan = interpretRequest(options, tokenizer);
  const run = new GenerationRun({
    seed: plan.sampling.seed,
    logprobs: options.logprobs >= 0,
    signal: options.signal,
    timeout: options.timeout,
    onToken: options.onToken,
    reader,
    onSettled,
    tokenText: (token) => tokenizer.piece(token),
    origin: captureOrigin(startGeneration),
  });
  const submit = async (): Promise<void> => {
    if (run.ended) return; // its signal was aborted before
    const ready = await prompt();
    if (run.ended) return;
    const target = await engine();
    if (!run.ended) target.submit(run, ready, plan);
  };
  submit().catch((error: unknown) => run.fail(error));
  return run.generation;
}
