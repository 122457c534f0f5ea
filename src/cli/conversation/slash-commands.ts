import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve } from "node:path";

import { ChatSession } from "../../chat/chat-session.js";
import type { ChatSessionOptions } from "../../chat/session-options.js";
import type { LlamaContext } from "../../llama-context.js";
import { CliError } from "../cli-error.js";
import { alignColumns, plural } from "../format.js";
import { reasonOf } from "../text-file.js";

export interface ConversationState {
  chat: ChatSession;
  readonly context: LlamaContext;
  readonly options: ChatSessionOptions;
  /** Shows a line that is not the model's. */
  readonly say: (text: string) => void;
}

interface SlashCommand {
  readonly argument: "" | "<file>" | "[text]";
  readonly help: string;
  readonly run: (state: ConversationState, argument: string) => "leave" | undefined | Promise<undefined>;
}

const commands: Readonly<Record<string, SlashCommand>> = {
  "/help": { argument: "", help: "this list", run: help },
  "/reset": { argument: "", help: "forget the conversation; the system text stays", run: reset },
  "/system": { argument: "[text]", help: 'change the system text ("-" removes it), or show it', run: system },
  "/save": { argument: "<file>", help: "write the conversation to a file", run: save },
  "/load": { argument: "<file>", help: "go on with a conversation from a file", run: load },
  "/exit": { argument: "", help: "leave (or Ctrl-D)", run: () => "leave" },
};

/** Runs a line that begins with a slash. */
export async function runSlashCommand(line: string, state: ConversationState): Promise<"leave" | undefined> {
  const [, name = "", argument = ""] = /^(\S+)\s*(.*)$/s.exec(line.trim()) ?? [];
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new CliError(`There is no command ${name}; /help lists them`);
  if (command.argument === "" && argument !== "") throw new CliError(`${name} takes nothing after it`);
  if (command.argument === "<file>" && argument === "") throw new CliError(`${name} needs the name of a file`);
  return command.run(state, argument);
}

function help({ say }: ConversationState): undefined {
  const rows = Object.entries(commands).map(([name, { argument, help: text }]) => [`${name} ${argument}`, text]);
  say(alignColumns(rows).join("\n"));
  say("A line that ends with \\ goes on with the next one; // begins a message with a slash.");
}

function reset({ chat, say }: ConversationState): undefined {
  chat.reset();
  say("The conversation begins anew.");
}

function system({ chat, say }: ConversationState, text: string): undefined {
  if (text !== "") chat.system = text === "-" ? null : text;
  say(chat.system === null ? "There is no system text." : `System text: ${chat.system}`);
}

async function save({ chat, say }: ConversationState, name: string): Promise<undefined> {
  const path = pathOf(name);
  try {
    await writeFile(path, `${JSON.stringify(chat, null, 2)}\n`);
  } catch (cause) {
    throw new CliError(`Cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
  say(`Saved ${plural(chat.history.length, "message")} to ${path}`);
}

async function load(state: ConversationState, name: string): Promise<undefined> {
  const path = pathOf(name);
  const { context, options } = state;
  const { system: _system, messages: _messages, ...rest } = options;
  state.chat = ChatSession.fromJSON(await readJson(path), { context }, rest);
  state.say(`Loaded ${plural(state.chat.history.length, "message")} from ${path}`);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new CliError(`${path} is no saved conversation: it is not JSON`, { cause });
    throw new CliError(`Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** As a shell would understand it. */
function pathOf(name: string): string {
  return resolve(name.replace(/^~(?=$|[/\\])/, () => homedir()));
}
