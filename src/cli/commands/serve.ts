import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import type { Command } from "commander";
import { Option } from "commander";

import type { ContextOptions } from "../../context/context-options.js";
import type { LoadModelOptions } from "../../model/load-options.js";
import type { ServedModel, ServerOptions } from "../../server/index.js";
import { CliError, UsageError } from "../cli-error.js";
import { addFlags, readFlags } from "../flags/flag-table.js";
import { loadFlags } from "../flags/load-flags.js";
import { samplingFlags } from "../flags/sampling-flags.js";
import { serveFlags } from "../flags/serve-flags.js";
import { addVerboseFlag } from "../generation-flags.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";
import { readTextFile } from "../text-file.js";
import { contextTable, effectiveConfig, requestTable } from "./serve-config.js";

interface ServeFlags {
  readonly alias?: readonly string[];
  readonly chatTemplateFile?: string;
  readonly apiKey?: readonly string[];
  readonly apiKeyFile?: string;
  readonly contentFilter?: string;
  readonly drainMs?: string;
  readonly logLevel: string;
  readonly printConfig?: boolean;
}

const defaultDrainMs = 30_000;

export function defineServe(command: Command): void {
  addFlags(command, "Server:", serveFlags);
  for (const [flag, help] of [
    ["--alias <name>", "a further name of the first model; repeatable"],
    ["--api-key <key>", "requests must show this key; repeatable (also LLAMA_NATIVE_API_KEY)"],
  ] as const) {
    command.addOption(new Option(flag, help).argParser((text, earlier?: string[]) => [...(earlier ?? []), text]));
  }
  command
    .option("--api-key-file <path>", "file with a key on each line; those that begin with # are comments")
    .option("--chat-template-file <path>", "Jinja template in place of the models' own")
    .option("--content-filter <module>", "JavaScript module whose default export filters requests and answers")
    .option("--drain-ms <milliseconds>", "time that running answers get when the server is told to stop (30000)")
    .addOption(new Option("--log-level <level>", "what is logged").choices(logLevels).default("info"))
    .option("--print-config", "print all settings in effect as JSON, defaults included, and end");
  addFlags(command, "Defaults of requests:", { ...requestTable, ...samplingFlags });
  addFlags(command, "Context:", contextTable);
  addFlags(command, "Loading:", loadFlags);
  addVerboseFlag(command);
  command.action((models: string[], flags: ServeFlags) =>
    Stops.during(({ signal }) => serve(command, models, flags, signal)),
  );
}

const logLevels = ["debug", "info", "warn", "error", "silent"];

async function serve(command: Command, models: string[], flags: ServeFlags, signal: AbortSignal): Promise<void> {
  const deadlineMs = readDrainMs(flags.drainMs);
  const options = await readOptions(command, models, flags);
  if (flags.printConfig === true) {
    const { logLevel, contentFilter } = flags;
    writeJson(await effectiveConfig(options, { drainMs: deadlineMs, logLevel, contentFilter }));
    return;
  }
  const [{ createServer }, { pino }] = await Promise.all([import("../../server/index.js"), import("pino")]);
  const log = pino({ level: flags.logLevel }, pino.destination(2));
  const contentFilter = await loadFilter(flags.contentFilter);
  const server = await createServer({ ...options, log, contentFilter }).catch(explainListen);
  try {
    writeLines([`Listening at ${server.url}/v1`]);
    warnOfOpenDoors(options);
    await Promise.race([server.ready, stopped(signal)]);
    if (!signal.aborted) log.info({ url: server.url }, "ready");
    await stopped(signal);
  } finally {
    if (signal.aborted) log.info({ deadlineMs }, "stopping: running answers end, new ones are refused");
    await server.close({ deadlineMs: signal.aborted ? deadlineMs : 0 });
  }
}

async function readOptions(command: Command, sources: string[], flags: ServeFlags): Promise<ServerOptions> {
  const [{ readLoadOptions }, { contextRules }, { requestRules }, { readOptions: check }, { knownModels }] =
    await Promise.all([
      import("../../model/load-options.js"),
      import("../../context/context-options.js"),
      import("../../context/request-options.js"),
      import("../../validate.js"),
      import("../../hub/index.js"),
    ]);
  const load = readFlags(command, loadFlags) as LoadModelOptions;
  const context = readFlags(command, contextTable) as ContextOptions;
  const defaults = { ...readFlags(command, samplingFlags), ...readFlags(command, requestTable) };
  readLoadOptions(load);
  check("serve", contextRules, context);
  check("serve", requestRules, defaults);
  const template = flags.chatTemplateFile === undefined ? undefined : readTextFile(flags.chatTemplateFile);
  const models = (sources.length > 0 ? sources : knownModels().map(({ name }) => name)).map(
    (source, index): ServedModel => {
      const aliases = index === 0 ? flags.alias : undefined;
      return {
        source,
        load,
        context,
        ...(aliases ? { aliases } : {}),
        ...(template === undefined ? {} : { template }),
      };
    },
  );
  const apiKeys = readKeys(flags);
  return {
    models,
    defaults,
    ...(apiKeys.length > 0 ? { apiKeys } : {}),
    // Models nobody named are there to be asked for.
    ...(sources.length === 0 ? { loadOnDemand: true } : {}),
    ...readFlags(command, serveFlags),
  };
}

function readKeys({ apiKey = [], apiKeyFile }: ServeFlags): string[] {
  const fromFile = apiKeyFile === undefined ? [] : readKeyFile(apiKeyFile);
  const variable = process.env["LLAMA_NATIVE_API_KEY"];
  const fromEnvironment = (variable ?? "").split(/[\s,]+/);
  const keys = [...apiKey, ...fromFile, ...fromEnvironment].filter((key) => key !== "");
  if (apiKey.includes(""))
    throw new UsageError("--api-key is empty; without keys the server would be open to everybody");
  if (variable !== undefined && keys.length === 0)
    throw new UsageError(
      "LLAMA_NATIVE_API_KEY is set, but has no key; without keys the server would be open to everybody",
    );
  if (apiKeyFile !== undefined && keys.length === 0) throw new UsageError(`There is no key in ${apiKeyFile}`);
  return keys;
}

/** A word of a comment must not become a key, which anybody could guess. */
function readKeyFile(path: string): string[] {
  const lines = readTextFile(path)
    .split(/\r?\n/)
    .map((line) => line.trim());
  const bad = lines.findIndex((line) => !line.startsWith("#") && /\s/.test(line));
  if (bad >= 0) throw new UsageError(`Expected one key without spaces in line ${bad + 1} of ${path}`);
  return lines.filter((line) => !line.startsWith("#"));
}

function readDrainMs(text: string | undefined): number {
  if (text === undefined) return defaultDrainMs;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Expected a number of milliseconds for --drain-ms but received ${JSON.stringify(text)}`);
}

async function loadFilter(path: string | undefined): Promise<ServerOptions["contentFilter"]> {
  if (path === undefined) return undefined;
  try {
    const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: ServerOptions["contentFilter"] };
    if (module.default !== undefined) return module.default;
  } catch (cause) {
    throw new CliError(`Cannot load the content filter ${path}: ${(cause as Error).message}`, { cause });
  }
  throw new CliError(`The content filter ${path} has no default export`);
}

function explainListen(error: unknown): never {
  const { code, address, port } = error as { code?: string; address?: string; port?: number };
  if (code === "EADDRINUSE")
    throw new CliError(`Port ${port ?? ""} of ${address ?? ""} is in use; --port takes another`);
  if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    throw new CliError(`Cannot listen at ${address ?? "this address"}: ${(error as Error).message}`);
  }
  throw error;
}

function warnOfOpenDoors({ host = "127.0.0.1", apiKeys = [] }: ServerOptions): void {
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (isLoopback || apiKeys.length > 0) return;
  process.stderr.write("llama-native: other machines can use this server without a key; --api-key asks for one\n");
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
