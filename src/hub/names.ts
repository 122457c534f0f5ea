import { homedir } from "node:os";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { InvalidOptionError, LlamaError } from "../errors.js";
import { nearestName } from "../validate.js";
import type { KnownModel } from "./catalogue.js";
import { findModel, knownModels, namesOf } from "./catalogue.js";
import { withoutCredentials } from "./credentials.js";
import { quantizationOf, withoutQuantization } from "./quantization.js";
import { hubHosts, isPublicHub } from "./settings.js";

/** A repository of the hub, and which of its models is meant. */
export interface HubSource {
  kind: "hub";
  /** `owner/name`. */
  repository: string;
  /** Branch, tag or commit. */
  revision: string;
  quantization?: string;
  /** Path of a file within the repository. */
  file?: string;
}

export type ModelSource =
  | { kind: "known"; model: KnownModel; quantization?: string }
  | HubSource
  | { kind: "url"; url: string }
  | { kind: "path"; path: string }
  | { kind: "ollama"; name: string };

const repositoryName = String.raw`[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*`;
/** owner/name, @revision, and :quantization or /file. */
const hubReference = new RegExp(`^(${repositoryName})(?:@([^:/]+))?(?::([\\w.-]+)|/(.+))?$`);

/**
 * What a model's name means, by its form alone; whether it is there is another question.
 *
 * @throws LlamaError `INVALID_OPTION` for what is no name at all, `MODEL_NOT_FOUND` for a malformed one
 */
export function parseSource(source: string): ModelSource {
  if (typeof source !== "string" || source === "" || source.includes("\0")) {
    throw new InvalidOptionError("model", "a model's name or the path of a GGUF file", source);
  }
  if (/^hf:/i.test(source)) return parseHubReference(source, source.slice(3).replace(/^\/\//, ""));
  if (/^https?:/i.test(source)) return parseUrl(source);
  // With a slash in front of it, it is a URL; else a path, as it is without the word.
  if (/^file:\//i.test(source)) return { kind: "path", path: pathOfUrl(source) };
  if (/^file:/i.test(source)) return { kind: "path", path: expandHome(source.slice("file:".length)) };
  if (/^ollama:/i.test(source)) return { kind: "ollama", name: shortOllamaName(source.slice("ollama:".length)) };
  return parseKnown(source) ?? { kind: "path", path: expandHome(source) };
}

/** Names of the catalogue are written without `hf:`. */
function knownInstead(reference: string): string {
  if (parseKnown(reference) !== undefined) return `. Did you mean ${reference}?`;
  const near = nearestName(
    reference,
    knownModels().flatMap(({ name, aliases }) => [name, ...aliases]),
  );
  return near === undefined ? "" : `. Did you mean ${near}?`;
}

/** As Ollama lists it, without the parts that it takes for granted: its own registry, and the owner of its own models. */
function shortOllamaName(name: string): string {
  return name.replace(/^registry\.ollama\.ai\//i, "").replace(/^library\//i, "");
}

/** A known model, with its quantization behind a colon where one is named. */
function parseKnown(source: string): ModelSource | undefined {
  const exact = findModel(source);
  if (exact !== undefined) return { kind: "known", model: exact };
  const [, name = "", quantization = ""] = /^(.+):([^:]+)$/.exec(source) ?? [];
  // Ollama's names have the size there, or "latest".
  const sized = findModel(/^latest$/i.test(quantization) ? name : `${name}-${quantization}`);
  if (sized !== undefined) return { kind: "known", model: sized };
  const model = findModel(name);
  return model && { kind: "known", model, quantization };
}

function parseHubReference(source: string, reference: string): ModelSource {
  const [, repository, revision, quantization, file] = hubReference.exec(reference) ?? [];
  const isUnsafe = file?.split("/").some((part) => part === "" || part === "." || part === "..") === true;
  if (repository === undefined || isUnsafe) {
    throw notFound(
      source,
      `${source} is not hf:owner/repository, hf:owner/repository:quantization or hf:owner/repository/file.gguf${knownInstead(reference)}`,
    );
  }
  if (repository.includes("--")) {
    // The cache's folders have it between owner and name.
    throw notFound(source, `${source} has "--" in its owner or name, which the hub allows no repository`);
  }
  const known = findModel(repository);
  // The weights as they were published are no GGUF files; those of the catalogue are meant.
  if (known !== undefined && file === undefined && repository.toLowerCase() === known.origin.toLowerCase()) {
    if (revision !== undefined && revision !== "main") {
      const message = `${repository} has no GGUF files; those of hf:${known.repository} are meant, which has revisions of its own`;
      throw notFound(source, `${source}: ${message}`);
    }
    return { kind: "known", model: known, ...(quantization === undefined ? {} : { quantization }) };
  }
  return {
    kind: "hub",
    repository,
    revision: revision === undefined ? "main" : decode(revision),
    ...(quantization === undefined ? {} : { quantization }),
    ...(file === undefined ? {} : { file }),
  };
}

/** Pages and files of the hub are taken from it, so that they share its cache; everything else is downloaded as it is. */
function parseUrl(source: string): ModelSource {
  if (!URL.canParse(source)) throw notFound(withoutCredentials(source), `${withoutCredentials(source)} is not a URL`);
  const url = new URL(source);
  if (url.username !== "" || url.password !== "") {
    throw new LlamaError(
      "INVALID_OPTION",
      `A URL of ${url.host} has a name or password in it, which would be kept and shown where others see it: download the file with curl, and give its path`,
      { details: { option: "model", host: url.host } },
    );
  }
  if (hubHosts().includes(url.host.toLowerCase())) {
    const [, repository, revision, file] =
      new RegExp(`^/(${repositoryName})(?:/(?:resolve|blob|tree)/([^/]+)(?:/(.+))?)?/?$`).exec(url.pathname) ?? [];
    // Of a mirror's host it may be a file beside the mirror; the hub itself has none so near its root.
    const isFile = revision === undefined && /\.gguf\/?$/i.test(url.pathname) && !isPublicHub(url.host);
    if (repository !== undefined && !isFile) {
      const rest = file === undefined ? "" : `/${decode(file)}`;
      return parseHubReference(source, `${repository}@${revision ?? "main"}${rest}`);
    }
  }
  return { kind: "url", url: url.href };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function pathOfUrl(source: string): string {
  try {
    return fileURLToPath(source);
  } catch (error) {
    throw notFound(source, `${source} is not the URL of a file on this machine`, error);
  }
}

/** As a shell would, for callers that have none: an option in quotes, a settings file. */
function expandHome(path: string): string {
  return path === "~" || /^~[/\\]/.test(path) ? resolve(homedir(), path.slice(2)) : resolve(path);
}

export interface ModelIdentity {
  /** What the model is called, e.g. `mistral-7b-instruct-v0.2`, `owner/repository:Q8_0`, or a file's name. */
  id: string;
  /** Every name by which a request may ask for it, in lower case, that one included. */
  names: readonly string[];
  /** Where it is a model of the catalogue. */
  known: KnownModel | undefined;
  /** Where it is a file on this machine that its user named; it need not be there. */
  path?: string;
}

/**
 * What to call the model of a source, and by which names others may ask for it; nothing is looked for. A file that is named
 * as a known model is that model.
 *
 * @throws LlamaError as {@link parseSource}
 */
export function identifyModel(source: string): ModelIdentity {
  const parsed = parseSource(source);
  switch (parsed.kind) {
    case "known":
      return identity(parsed.model, parsed.quantization);
    case "hub": {
      const quantization = parsed.quantization ?? (parsed.file && (quantizationOf(parsed.file) ?? undefined));
      const known = findModel(parsed.repository);
      return known ? identity(known, quantization) : plainIdentity(withQuantization(parsed.repository, quantization));
    }
    case "url":
      return fileIdentity(new URL(parsed.url).pathname);
    case "path":
      return { ...fileIdentity(parsed.path), path: parsed.path };
    case "ollama":
      return plainIdentity(parsed.name);
  }
}

function fileIdentity(path: string): ModelIdentity {
  const name = basename(path).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "");
  const known = findModel(withoutQuantization(name));
  if (known === undefined) return plainIdentity(name);
  const found = identity(known, quantizationOf(name) ?? undefined);
  return { ...found, names: [...new Set([...found.names, name.toLowerCase()])] };
}

function identity(known: KnownModel, quantization: string | undefined): ModelIdentity {
  const other = quantization !== undefined && quantization.toUpperCase() !== known.quantization;
  const names = namesOf(known);
  const exact = names.map((name) => withQuantization(name, (quantization ?? known.quantization).toLowerCase()));
  return { id: withQuantization(known.name, other ? quantization : undefined), names: [...names, ...exact], known };
}

function plainIdentity(id: string): ModelIdentity {
  return { id, names: [id.toLowerCase()], known: undefined };
}

function withQuantization(name: string, quantization: string | undefined): string {
  return quantization === undefined ? name : `${name}:${quantization}`;
}

export function notFound(source: string, message: string, cause?: unknown): LlamaError {
  return new LlamaError("MODEL_NOT_FOUND", message, { cause, details: { source } });
}
