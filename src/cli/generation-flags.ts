import type { Command } from "commander";

import type { ContextOptions } from "../context/context-options.js";
import type { RequestOptions } from "../context/request-options.js";
import type { LoadModelOptions } from "../model/load-options.js";
import { UsageError } from "./cli-error.js";
import { contextFlags } from "./flags/context-flags.js";
import type { FlagTable } from "./flags/flag-table.js";
import { addFlags, readFlags } from "./flags/flag-table.js";
import { loadFlags } from "./flags/load-flags.js";
import { requestFlags } from "./flags/request-flags.js";
import { samplingFlags } from "./flags/sampling-flags.js";

/** Options of a command that generates text, by the call of the library that takes them. */
export interface GenerationOptions {
  readonly load: LoadModelOptions;
  readonly context: ContextOptions;
  /** The source of a model that drafts. */
  readonly draftModel: string | undefined;
  readonly request: RequestOptions;
}

/** What such a command does with the text. */
export interface AnswerFlags {
  readonly prompt?: string;
  readonly json?: boolean;
  readonly stats?: boolean;
  readonly verbose?: boolean;
  /** Unchecked here, as the library does that. */
  readonly maxTokens?: unknown;
}

export function addGenerationFlags(command: Command): void {
  command.option("--json", "print one JSON document").option("--stats", "show counts and rates on standard error");
  addVerboseFlag(command);
  addFlags(command, "Generation:", requestFlags);
  addFlags(command, "Sampling:", samplingFlags);
  addFlags(command, "Context:", { ...contextFlags, ...draftModelFlags });
  addFlags(command, "Loading:", loadFlags);
}

const draftModelFlags = {
  draftModel: { value: "<model>", help: "a smaller model of the same vocabulary, that drafts tokens" },
} satisfies FlagTable;

export function addVerboseFlag(command: Command): void {
  command.option("--verbose", "show the causes of an error too");
}

/** Has the library check all it can before anything is loaded. */
export async function readGenerationFlags(command: Command): Promise<GenerationOptions> {
  const [{ readLoadOptions }, { contextRules }, { requestRules }, { readOptions }] = await Promise.all([
    import("../model/load-options.js"),
    import("../context/context-options.js"),
    import("../context/request-options.js"),
    import("../validate.js"),
  ]);
  const load = readFlags(command, loadFlags);
  const context = readFlags(command, contextFlags);
  const request = { ...readFlags(command, samplingFlags), ...readFlags(command, requestFlags) };
  readLoadOptions(load);
  readOptions(command.name(), contextRules, context);
  readOptions(command.name(), requestRules, request);
  if (request["logprobs"] !== undefined && command.opts<AnswerFlags>().json !== true) {
    throw new UsageError("--logprobs needs --json to show them");
  }
  const { draftModel } = readFlags(command, draftModelFlags) as { draftModel?: string };
  if (draftModel === undefined && Number(request["draft"] ?? 0) > 0)
    throw new UsageError("--draft needs --draft-model");
  return { load, context, draftModel, request };
}
