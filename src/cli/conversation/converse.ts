import type { WriteStream } from "node:tty";

import type { ChatSession } from "../../chat/chat-session.js";
import type { ChatSessionOptions } from "../../chat/session-options.js";
import type { LlamaContext } from "../../llama-context.js";
import { writeNotes } from "../answer-notes.js";
import { streamText } from "../answer.js";
import { writeError } from "../failure.js";
import type { AnswerFlags } from "../generation-flags.js";
import type { Stops } from "../stops.js";
import { dim } from "../style.js";
import { LinePrompt } from "./line-prompt.js";
import { runSlashCommand } from "./slash-commands.js";

export interface ConverseOptions {
  readonly context: LlamaContext;
  /** Of every session, the ones that are loaded from a file included. */
  readonly options: ChatSessionOptions;
  readonly flags: AnswerFlags;
  readonly stops: Stops;
}

/** A conversation at the terminal; resolves when the user leaves it. */
export async function converse({ context, options, flags, stops }: ConverseOptions): Promise<void> {
  // The answers alone go to a file that standard output is redirected to.
  const terminal: WriteStream = process.stdout.isTTY ? process.stdout : process.stderr;
  const say = (text: string): void => void terminal.write(`${dim(text, terminal)}\n`);
  const prompt = new LinePrompt(terminal);
  const state = { chat: context.createChat(options), context, options, say };
  say(`${nameOf(context)}. /help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves.`);
  for (;;) {
    const text = await prompt.ask(stops.signal);
    if (text === undefined) return;
    if (text.trim() === "") continue;
    try {
      if (!/^\/(?!\/)/.test(text)) await answer(state.chat, text.replace(/^\/\//, "/"), { flags, stops });
      else if ((await runSlashCommand(text, state)) === "leave") return;
    } catch (error) {
      stops.signal.throwIfAborted();
      writeError(error, flags.verbose === true);
    }
  }
}

/** Ctrl-C ends the answer as far as it came; once more before it has ended, it ends the command. */
async function answer(
  chat: ChatSession,
  text: string,
  { flags, stops }: Pick<ConverseOptions, "flags" | "stops">,
): Promise<void> {
  const generation = chat.send(text, { signal: stops.signal });
  let interrupted = false;
  const interrupt = (): void => {
    if (interrupted) stops.stop("SIGINT");
    interrupted = true;
    generation.cancel();
  };
  writeNotes(await stops.catchInterrupts(interrupt, () => streamText(generation)), flags);
}

function nameOf({ model }: LlamaContext): string {
  return model.metadata["general.name"] ?? model.info.description;
}
