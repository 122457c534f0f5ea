import type { Command } from "commander";

import type { ChatSessionOptions } from "../../chat/session-options.js";
import { showAnswer } from "../answer.js";
import { UsageError } from "../cli-error.js";
import { addFlags, readFlags } from "../flags/flag-table.js";
import { sendFlags, sessionFlags } from "../flags/prompt-flags.js";
import type { AnswerFlags } from "../generation-flags.js";
import { addGenerationFlags, readGenerationFlags } from "../generation-flags.js";
import { addPromptFlag, inputText, isInteractive } from "../input-text.js";
import { openModels } from "../open-model.js";
import { Stops } from "../stops.js";

export function defineChat(command: Command): void {
  addPromptFlag(command, "message to answer");
  addFlags(command, "Conversation:", { ...sessionFlags, ...sendFlags });
  addGenerationFlags(command);
  command.action((model: string, flags: AnswerFlags) => Stops.during((stops) => chat(command, model, flags, stops)));
}

async function chat(command: Command, source: string, flags: AnswerFlags, stops: Stops): Promise<void> {
  const { signal } = stops;
  const { load, context: contextOptions, draftModel, request } = await readGenerationFlags(command);
  const defaults = { ...request, ...readFlags(command, sendFlags) };
  const options: ChatSessionOptions = { ...readFlags(command, sessionFlags), defaults };
  const message = isInteractive(flags.prompt) ? undefined : await readMessage(flags, signal);
  if (message === undefined && flags.json === true)
    throw new UsageError("--json needs a message: -p, or standard input");

  await using opened = await openModels({ source, draftSource: draftModel }, load, contextOptions, signal);
  const { model, context } = opened;
  if (message === undefined) {
    const { converse } = await import("../conversation/converse.js");
    await converse({ context, options, stops, flags });
  } else {
    await showAnswer(context.createChat(options).send(message, { signal }), { flags, model: model.path });
  }
}

async function readMessage(flags: AnswerFlags, signal: AbortSignal): Promise<string> {
  const message = await inputText(flags.prompt, { signal });
  if (message.trim() === "") throw new UsageError("The message is empty");
  return message;
}
