import type { Generation } from "../generation/generation.js";
import type { GenerationResult } from "../generation/result.js";
import { writeNotes } from "./answer-notes.js";
import type { AnswerFlags } from "./generation-flags.js";
import { TextOutput, writeJson } from "./output.js";
import { dim } from "./style.js";

/** Shows the one answer of a command as the flags ask for: its text as it comes, or one JSON document in the end. */
export async function showAnswer(
  generation: Generation,
  { flags, model, before = "" }: { flags: AnswerFlags; model: string; before?: string },
): Promise<void> {
  const result = flags.json === true ? await generation : await streamText(generation, before);
  if (flags.json === true) writeJson(toDocument(result, model, before));
  writeNotes(result, flags);
}

/** Writes the text as it comes, behind `before`; what the model thinks to a terminal alone, so that no program takes it for the text. */
export async function streamText(generation: Generation, before = ""): Promise<GenerationResult> {
  const output = new TextOutput();
  try {
    output.write(before);
    const thoughts = new Thoughts();
    for await (const event of generation.events()) {
      if (event.type !== "piece") continue;
      thoughts.write(event.thinking ?? "");
      if (event.text !== "") thoughts.end();
      output.write(event.text);
    }
  } catch (error) {
    // What a terminal shows next, after `^C`, begins a line of its own; a program gets nothing that is not the model's.
    if (process.stdout.isTTY) output.write("\n");
    throw error;
  }
  const result = await generation;
  if (result.finishReason === "cancelled") output.write("\n");
  else output.end();
  return result;
}

/** What a model thinks, dimly on standard error where that is a terminal. */
class Thoughts {
  #begun = false;

  write(text: string): void {
    if (text === "" || !process.stderr.isTTY) return;
    this.#begun = true;
    process.stderr.write(dim(text, process.stderr));
  }

  /** A blank line before the answer. */
  end(): void {
    if (this.#begun) process.stderr.write("\n\n");
    this.#begun = false;
  }
}

/** What `--json` prints. */
function toDocument(result: GenerationResult, model: string, before: string): object {
  const { text, thinking, finishReason, stopString, usage, timings, seed, logprobs } = result;
  return {
    text: before + text,
    ...(thinking === undefined ? {} : { thinking }),
    finishReason,
    stopString,
    usage,
    timings,
    seed,
    ...(logprobs === undefined ? {} : { logprobs }),
    model,
  };
}
