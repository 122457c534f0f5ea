import type { ContextOptions } from "../context/context-options.js";
import { contextWish } from "../context/context-options.js";
import type { RequestOptions } from "../context/request-options.js";
import { InvalidOptionError } from "../errors.js";
import { LlamaContext } from "../llama-context.js";
import { readLoadOptions } from "../model/load-options.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import {
  aBoolean,
  aFunction,
  aNonEmptyString,
  aNumber,
  anArrayOf,
  anInteger,
  asRecord,
  optional,
  optionsObject,
  readOptions,
  required,
  withDefault,
} from "../validate.js";
import type { ContentFilter } from "./inference/content-filter.js";
import type { ServedModel } from "./models/served-model.js";
import { contextDefaults } from "./models/served-model.js";
import type { ServerLog } from "./operation/log.js";
import { silentLog } from "./operation/log.js";

export interface HandlerOptions {
  /** The models to serve; a string or a context is short for `{ source }`. A request that names none gets the first. */
  models: string | LlamaContext | ServedModel | readonly (string | LlamaContext | ServedModel)[];
  /** Keys of which requests must show one, as `Authorization: Bearer` or `x-api-key`. Default none: everybody may. */
  apiKeys?: readonly string[] | undefined;
  /** Origins whose web pages may use the server, or true for all. Default none. */
  cors?: boolean | readonly string[] | undefined;
  /** Host names besides `localhost` that requests may be for; `createFetchHandler` checks them only where this is given. */
  allowedHosts?: readonly string[] | undefined;
  /** What requests get that leave it open, e.g. `{ temperature: 0 }`. */
  defaults?: Omit<RequestOptions, "signal" | "onToken"> | undefined;
  /** Bytes of a request's body at most. Default 16 MiB. */
  maxBodyBytes?: number | undefined;
  /** Milliseconds from a request to the end of its answer at most; 0 for no limit. Default 600000. */
  timeLimitMs?: number | undefined;
  /** Milliseconds without news after which a stream gets a sign of life. Default 10000. */
  keepAliveMs?: number | undefined;
  /** Milliseconds after which a client that takes nothing of its stream is given up. Default 30000. */
  stallMs?: number | undefined;
  /** Requests in work and waiting at most, of all models; one more gets a 429. Default 512. */
  maxRequests?: number | undefined;
  /** Load a model when it is first asked for. Default false: all are loaded at once, and requests get a 503 until they are. */
  loadOnDemand?: boolean | undefined;
  /**
   * Bytes of RAM all loaded models may take together, by estimate; the least recently used goes first. Default no limit. What is
   * on GPUs counts against what those have.
   */
  memoryBudgetBytes?: number | undefined;
  /** Milliseconds after which a model that nobody uses is unloaded; 0 (default) for never. */
  idleUnloadMs?: number | undefined;
  contentFilter?: ContentFilter | undefined;
  /** Default: nothing is logged. */
  log?: ServerLog | undefined;
}

export interface ServerOptions extends HandlerOptions {
  /** Default 8000; 0 takes a free one. */
  port?: number | undefined;
  /** Address to listen at. Default 127.0.0.1: this machine only. */
  host?: string | undefined;
}

const mebi = 2 ** 20;

const aServedModel: Check<ServedModel> = (value, name) => {
  if (typeof value === "string" || value instanceof LlamaContext) return { source: aSource(value, name) };
  return optionsObject(modelRules)(value, name);
};

const aSource: Check<string | LlamaContext> = (value, name) =>
  value instanceof LlamaContext ? value : aNonEmptyString(value, name);

/** A model may be loaded long after the start; what is wrong with its options shows then no later than with others. */
const aLoad: Check<NonNullable<ServedModel["load"]>> = (value, name) => {
  readLoadOptions(asRecord(value, name));
  return value as NonNullable<ServedModel["load"]>;
};

const aContext: Check<ContextOptions> = (value, name) => {
  contextWish({ ...contextDefaults, ...asRecord(value, name) }, contextDefaults.contextSize, name);
  return value as ContextOptions;
};

const modelRules = {
  source: required(aSource),
  name: optional(aNonEmptyString),
  aliases: optional(anArrayOf(aNonEmptyString, "an array of names")),
  load: optional(aLoad),
  context: optional(aContext),
  template: optional(aNonEmptyString),
} satisfies RulesFor<ServedModel>;

const someModels: Check<ServedModel[]> = (value, name) => {
  const models = Array.isArray(value)
    ? anArrayOf(aServedModel, "an array of models")(value, name)
    : [aServedModel(value, name)];
  if (models.length === 0) throw new InvalidOptionError(name, "at least one model", value);
  return models;
};

const origins: Check<readonly string[] | "*"> = (value, name) => {
  if (typeof value === "boolean") return value ? "*" : [];
  return anArrayOf(aNonEmptyString, "a boolean or an array of origins")(value, name);
};

const texts = anArrayOf(aNonEmptyString, "an array of texts");
const aLog: Check<ServerLog> = (value, name) => {
  for (const level of ["info", "warn", "error"]) aFunction()(asRecord(value, name)[level], `${name}.${level}`);
  return value as ServerLog;
};

/** A misspelt hook would be one that is never called. */
const aContentFilter: Check<ContentFilter> = (value, name) => {
  const { request, output, ...others } = asRecord(value, name);
  optional(aFunction())(request, `${name}.request`);
  optional(aFunction())(output, `${name}.output`);
  if (request === undefined && output === undefined) {
    const found = Object.keys(others).join(", ") || "no hook";
    throw new InvalidOptionError(name, `a hook named request or output (there is ${found})`, value);
  }
  return value as ContentFilter;
};

const handlerRules = {
  models: required(someModels),
  apiKeys: withDefault(texts, []),
  cors: withDefault(origins, []),
  allowedHosts: optional(texts),
  defaults: withDefault(asRecord as Check<NonNullable<HandlerOptions["defaults"]>>, {}),
  maxBodyBytes: withDefault(anInteger(1), 16 * mebi),
  timeLimitMs: withDefault(anInteger(0, 0x7fffffff), 600_000),
  keepAliveMs: withDefault(anInteger(1, 0x7fffffff), 10_000),
  stallMs: withDefault(anInteger(1, 0x7fffffff), 30_000),
  maxRequests: withDefault(anInteger(1), 512),
  loadOnDemand: withDefault(aBoolean, false),
  memoryBudgetBytes: withDefault(aNumber(1), Number.MAX_VALUE),
  idleUnloadMs: withDefault(anInteger(0, 0x7fffffff), 0),
  contentFilter: optional(aContentFilter),
  log: withDefault(aLog, silentLog),
} satisfies RulesFor<HandlerOptions>;

const serverRules = {
  ...handlerRules,
  port: withDefault(anInteger(0, 65535), 8000),
  host: withDefault(aNonEmptyString, "127.0.0.1"),
} satisfies RulesFor<ServerOptions>;

export type ReadHandlerOptions = OptionsOf<typeof handlerRules>;
export type ReadServerOptions = OptionsOf<typeof serverRules>;

export function readHandlerOptions(options: unknown): ReadHandlerOptions {
  return readOptions("createFetchHandler", handlerRules, options);
}

export function readServerOptions(options: unknown): ReadServerOptions {
  return readOptions("createServer", serverRules, options);
}
