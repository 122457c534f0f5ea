import type { Command } from "commander";

import { showAnswer } from "../answer.js";
import { addFlags, readFlags } from "../flags/flag-table.js";
import { textPromptFlags } from "../flags/prompt-flags.js";
import type { AnswerFlags } from "../generation-flags.js";
import { addGenerationFlags, readGenerationFlags } from "../generation-flags.js";
import { addPromptFlag, inputText } from "../input-text.js";
import { openModels } from "../open-model.js";
import { Stops } from "../stops.js";

interface CompleteFlags extends AnswerFlags {
  readonly echo?: boolean;
}

export function defineComplete(command: Command): void {
  addPromptFlag(command, "text to continue");
  command.option("--echo", "print the text too, in front of what continues it");
  addFlags(command, "Prompt:", textPromptFlags);
  addGenerationFlags(command);
  command.action((model: string, flags: CompleteFlags) =>
    Stops.during((stops) => complete(command, model, flags, stops.signal)),
  );
}

async function complete(command: Command, source: string, flags: CompleteFlags, signal: AbortSignal): Promise<void> {
  const { load, context: contextOptions, draftModel, request } = await readGenerationFlags(command);
  const prompt = await inputText(flags.prompt, { signal });
  await using opened = await openModels({ source, draftSource: draftModel }, load, contextOptions, signal);
  const { model, context } = opened;
  const generation = context.generate({ ...readFlags(command, textPromptFlags), ...request, prompt, signal });
  const before = flags.echo === true ? prompt : "";
  await showAnswer(generation, { flags, model: model.path, before });
}
