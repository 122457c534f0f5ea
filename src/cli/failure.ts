import { CommanderError } from "commander";

import { CliError, UsageError } from "./cli-error.js";
import { describe, InvalidOptionError, LlamaError } from "../errors.js";
import { flagOfOption } from "./flags/flag-table.js";
import { allFlags } from "./flags/all-flags.js";
import { ReaderLeft } from "./output.js";
import { Stopped } from "./stops.js";

const noTemplate =
  "The model's file has no chat template; give one with --chat-template or --chat-template-file, or use `llama-native complete`";

const failed = 1;
const misused = 2;

/** Says on standard error what went wrong, where there is something to say, and returns the exit code. */
export function reportFailure(error: unknown, verbose: boolean): number {
  if (error instanceof ReaderLeft) return 0;
  if (error instanceof Stopped) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : misused; // commander has said it
  writeError(error, verbose);
  return isMisuse(error) ? misused : failed;
}

/** One line, `llama-native: …`; with `verbose` the causes below it. */
export function writeError(error: unknown, verbose: boolean): void {
  const lines = [`llama-native: ${messageOf(error)}`];
  if (verbose) lines.push(...causesOf(error).map((line) => `  ${line}`));
  if (process.env["LLAMA_NATIVE_DEBUG"] && error instanceof Error) lines.push(error.stack ?? "");
  process.stderr.write(`${lines.join("\n")}\n`);
}

function isMisuse(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof LlamaError && error.code === "INVALID_OPTION");
}

function messageOf(error: unknown): string {
  if (error instanceof InvalidOptionError) return inFlags(error);
  if (error instanceof LlamaError && error.code === "TEMPLATE" && error.details["option"] === "template")
    return noTemplate;
  // What the install left to be said begins with the name already.
  if (error instanceof LlamaError || error instanceof CliError) return error.message.replace(/^llama-native: /, "");
  const message = error instanceof Error ? error.message : String(error);
  return `unexpected error: ${message} (LLAMA_NATIVE_DEBUG=1 shows where)`;
}

/** The library's message with the option's name as it is written on the command line. */
function inFlags({ message, details }: InvalidOptionError): string {
  const option = String(details["option"]);
  const found = flagOfOption(option, allFlags);
  if (found === undefined) return message;
  return message.replace(
    ` for ${option} but received `,
    ` for ${found.flag}${option.slice(found.option.length)} but received `,
  );
}

/** Line by line, from the outermost cause on. */
function causesOf(error: unknown): string[] {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined) return [];
  const text = cause instanceof Error ? cause.message : describe(cause);
  return [...text.trimEnd().split("\n"), ...causesOf(cause)];
}
