import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve, sep } from "node:path";

import { nearestName } from "../validate.js";
import { notFound } from "./names.js";

const modelLayer = "application/vnd.ollama.image.model";
const defaultRegistry = "registry.ollama.ai";

export interface OllamaModel {
  /** As Ollama lists it: `mistral:7b`, `someone/model:tag`. */
  name: string;
  /** The blob with the weights, which is a GGUF file. */
  path: string;
  sizeBytes: number;
  /** When it was pulled; milliseconds since 1970. */
  modified: number;
}

/** Folders that Ollama keeps models in: a user's own, and that of its service. */
export function ollamaFolders(): string[] {
  const given = process.env["OLLAMA_MODELS"];
  if (given) return [resolve(given)];
  const own = join(homedir(), ".ollama", "models");
  return process.platform === "linux"
    ? [own, "/usr/share/ollama/.ollama/models", "/var/lib/ollama/.ollama/models"]
    : [own];
}

/**
 * The file of a model that Ollama has on this disk; nothing is downloaded.
 *
 * @param name `name`, `name:tag` or `owner/name:tag`; without a tag `latest` is meant
 * @throws LlamaError `MODEL_NOT_FOUND`, with the names that are there
 */
export async function ollamaModelFile(name: string, source: string, folders = ollamaFolders()): Promise<string> {
  const { models, unreadable } = await lookInto(folders);
  const wanted = hasTag(name) ? name : `${name}:latest`;
  const found = models.find((model) => model.name.toLowerCase() === wanted.toLowerCase());
  if (found !== undefined) return found.path;
  const names = models.map((model) => model.name);
  const ofName = names.filter((other) => other.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  if (ofName.length === 1 && ofName[0] !== undefined) return ollamaModelFile(ofName[0], source, folders);
  if (ofName.length > 1) {
    throw notFound(
      source,
      `Ollama has several models ${name}; choose one: ${ofName.map((other) => `ollama:${other}`).join(", ")}`,
    );
  }
  const elsewhere = unreadable.map((what) => `; ${what} cannot be read: run this as a user who may`).join("");
  if (names.length === 0) throw notFound(source, `Ollama has no models in ${folders.join(" or ")}${elsewhere}`);
  const near = nearestName(wanted, names);
  const hint = near === undefined ? `It has ${names.join(", ")}` : `Did you mean ollama:${near}?`;
  throw notFound(source, `Ollama has no model ${wanted} on this disk. ${hint}${elsewhere}`);
}

/** The colon of a registry's port stands before a slash. */
function hasTag(name: string): boolean {
  return /:[^/]+$/.test(name);
}

/** What Ollama has on this disk, without models whose file is missing. Of one that is in two folders the first is meant. */
export async function ollamaModels(folders = ollamaFolders()): Promise<OllamaModel[]> {
  return (await lookInto(folders)).models;
}

interface Found {
  models: OllamaModel[];
  /** Folders that are there and cannot be read, each with the reason. */
  unreadable: string[];
}

async function lookInto(folders: readonly string[]): Promise<Found> {
  const found = await Promise.all(folders.map(modelsIn));
  const models = new Map<string, OllamaModel>();
  for (const model of found.flatMap((one) => one.models)) if (!models.has(model.name)) models.set(model.name, model);
  return {
    models: [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    unreadable: found.flatMap(({ unreadable }) => unreadable),
  };
}

async function modelsIn(folder: string): Promise<Found> {
  const manifests = join(folder, "manifests");
  try {
    const names = await readdir(manifests, { recursive: true });
    const models = await Promise.all(names.map((name) => readManifest(folder, name)));
    return { models: models.filter((model) => model !== undefined), unreadable: [] };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return { models: [], unreadable: code === "ENOENT" ? [] : [`${manifests} (${code})`] };
  }
}

/** A manifest's path is registry, owner, name and tag. */
async function readManifest(folder: string, name: string): Promise<OllamaModel | undefined> {
  const parts = name.split(sep);
  if (parts.length < 4) return undefined;
  try {
    const manifest = JSON.parse(await readFile(join(folder, "manifests", name), "utf8")) as {
      layers?: { mediaType?: string; digest?: string }[];
    };
    const digest = manifest.layers?.find(({ mediaType }) => mediaType === modelLayer)?.digest;
    if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined;
    const path = join(folder, "blobs", digest.replace(":", "-"));
    const { size, mtimeMs } = await stat(path);
    return { name: displayName(parts), path, sizeBytes: size, modified: mtimeMs };
  } catch {
    return undefined; // a folder, or a model that is being pulled
  }
}

function displayName(parts: readonly string[]): string {
  const [registry = "", ...rest] = parts;
  const tag = rest.at(-1) ?? "";
  const path = rest.slice(0, -1);
  const short = registry !== defaultRegistry ? [registry, ...path] : path[0] === "library" ? path.slice(1) : path;
  return `${short.join("/")}:${tag}`;
}
