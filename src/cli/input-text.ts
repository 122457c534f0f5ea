import { addAbortSignal } from "node:stream";

import type { Command } from "commander";

import { UsageError } from "./cli-error.js";
import { decodeText } from "./text-file.js";

export function addPromptFlag(command: Command, help: string): void {
  command.option("-p, --prompt <text>", `${help} (standard input where it is left out)`);
}

/** Whether somebody sits at standard input and no text was given with the command. */
export function isInteractive(prompt: string | undefined): boolean {
  return prompt === undefined && process.stdin.isTTY;
}

/**
 * The text a command works on: that of `--prompt`, or all of standard input. The newline with which a file or `echo` ends
 * is no part of it unless `exact`.
 */
export async function inputText(
  prompt: string | undefined,
  { exact = false, signal }: { exact?: boolean; signal: AbortSignal },
): Promise<string> {
  if (prompt !== undefined) return prompt;
  if (process.stdin.isTTY) throw new UsageError("There is no text: give one with -p, --prompt, or pipe it in");
  const text = decodeText(await readAll(signal), "Standard input", { keepMark: exact });
  return exact ? text : text.replace(/\r?\n$/, "");
}

async function readAll(signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of addAbortSignal(signal, process.stdin)) chunks.push(chunk as Buffer);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks);
}
