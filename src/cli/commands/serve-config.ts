import type { ServedModel, ServerOptions } from "../../server/index.js";
import { contextFlags, contextSizeHelp } from "../flags/context-flags.js";
import type { FlagTable } from "../flags/flag-table.js";
import { loadFlags } from "../flags/load-flags.js";
import { requestFlags } from "../flags/request-flags.js";
import { samplingFlags } from "../flags/sampling-flags.js";
import { number } from "../flags/values.js";

/** How many requests run at once, which commands for one conversation have no flags for. */
const sharingFlags: FlagTable = {
  sequences: { value: "<count>", parse: number, help: "requests that run at once (8)" },
  queueSize: { value: "<count>", parse: number, help: "requests that wait, for each model (256)" },
};
export const contextTable: FlagTable = {
  ...contextFlags,
  contextSize: { ...contextFlags.contextSize, help: `${contextSizeHelp} (8192)` },
  ...sharingFlags,
};
/** A server has no draft models. */
export const requestTable: FlagTable = { ...requestFlags, logprobs: null, draft: null };

/** What the command adds to the server's own options. */
export interface CommandSettings {
  readonly drainMs: number;
  readonly logLevel: string;
  /** Path of its module. */
  readonly contentFilter: string | undefined;
}

/**
 * What `serve` goes by: every setting with a flag, as it was given or else by default. Null is for what is off, unlimited, or
 * the model's own. Throws what the server itself would refuse; keys are not told.
 */
export async function effectiveConfig(options: ServerOptions, command: CommandSettings): Promise<object> {
  const [
    { readServerOptions },
    { contextDefaults },
    { contextRules },
    { requestRules },
    { readLoadOptions },
    { readOptions },
  ] = await Promise.all([
    import("../../server/server-options.js"),
    import("../../server/models/served-model.js"),
    import("../../context/context-options.js"),
    import("../../context/request-options.js"),
    import("../../model/load-options.js"),
    import("../../validate.js"),
  ]);
  const {
    models,
    apiKeys,
    defaults,
    contentFilter: _,
    log: __,
    memoryBudgetBytes,
    host,
    allowedHosts = [],
    ...server
  } = readServerOptions(options);
  const load = ({ load: given = {} }: ServedModel): object =>
    settings(loadFlags, { ...readLoadOptions(given), metadataOverrides: given.metadataOverrides ?? {} });
  const context = ({ context: given = {} }: ServedModel): object =>
    settings(contextTable, readOptions("serve", contextRules, { ...contextDefaults, ...given }));
  return {
    host,
    ...server,
    allowedHosts: ["localhost", host, ...allowedHosts],
    memoryBudgetBytes: memoryBudgetBytes === Number.MAX_VALUE ? null : memoryBudgetBytes,
    apiKeys: apiKeys.map(() => "…"),
    ...command,
    contentFilter: command.contentFilter ?? null,
    defaults: settings(
      { ...requestTable, ...samplingFlags },
      {
        ...readOptions("serve", requestRules, defaults),
        ...asGiven(defaults),
      },
    ),
    models: models.map((model) => ({
      source: model.source,
      name: model.name ?? null,
      aliases: model.aliases ?? [],
      template: model.template ?? null,
      load: load(model),
      context: context(model),
    })),
  };
}

/** Settings that are read into the engine's terms, in the user's. */
function asGiven({
  maxTokens,
  stop,
  logitBias,
  draft,
  cachePrompt,
  seed,
  jsonSchema,
}: NonNullable<ServerOptions["defaults"]>): object {
  const biases = logitBias instanceof Map ? [...logitBias] : Object.entries(logitBias ?? {});
  return {
    maxTokens: maxTokens ?? null,
    stop: stop ?? [],
    draft: draft ?? null,
    cachePrompt: cachePrompt ?? seed === undefined,
    jsonSchema: jsonSchema ?? null,
    // JSON has no infinity.
    logitBias: Object.fromEntries(biases.map(([token, bias]) => [String(token), bias === -Infinity ? "-inf" : bias])),
  };
}

/** The values of a table's options; null for those that were left to the model or the machine. */
function settings(table: FlagTable, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = Object.keys(table).filter((name) => table[name] !== null);
  return Object.fromEntries(names.map((name) => [name, values[name] ?? null]));
}
