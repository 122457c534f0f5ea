import { basename } from "node:path";

import { nearestName } from "../validate.js";
import { notFound } from "./names.js";
import { normalizeQuantization, quantizationOf } from "./quantization.js";

/** A file of a repository, as the hub or its cache tells it. */
export interface RepositoryFile {
  /** Within the repository, with slashes. */
  path: string;
  sizeBytes: number;
}

/** One GGUF model of a repository, in one file or split into several. */
export interface ModelFiles<File extends RepositoryFile = RepositoryFile> {
  quantization: string | null;
  /** In order; the first is the one to load. */
  files: readonly File[];
  sizeBytes: number;
}

/** What is taken where no quantization is asked for, the first that is there. */
const preferred = ["Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0", "F16"];

const splitPart = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;
const projector = /(^|[-._/])mmproj([-._]|$)/i;
const importanceMatrix = /(^|[-._])imatrix([-._]|$)/i;

/**
 * Whether a GGUF file is no language model: a vision projector, or the data of an importance matrix. A model that was
 * quantized by such a matrix may have it in its name too, but then it has a quantization.
 */
function isCompanion(path: string): boolean {
  const name = basename(path);
  return projector.test(path) || (importanceMatrix.test(name) && quantizationOf(name) === null);
}

/** The models among a repository's files, the smallest first. Split ones that lack a part are left out. */
export function groupModels<File extends RepositoryFile>(files: readonly File[]): ModelFiles<File>[] {
  return groupParts(files).filter((model) => isComplete(model.files));
}

/** Split models that lack a part, as of a download that was stopped. */
export function unfinishedModels<File extends RepositoryFile>(files: readonly File[]): ModelFiles<File>[] {
  return groupParts(files).filter((model) => !isComplete(model.files));
}

function groupParts<File extends RepositoryFile>(files: readonly File[]): ModelFiles<File>[] {
  const groups = new Map<string, File[]>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || isCompanion(file.path)) continue;
    const [, name, , count] = splitPart.exec(file.path) ?? [];
    const key = name === undefined ? file.path : `${name} of ${count ?? ""}`;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()]
    .map((parts) => parts.sort((a, b) => (a.path < b.path ? -1 : 1)))
    .map((parts) => ({
      quantization: quantizationOf(parts[0]?.path ?? ""),
      files: parts,
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }))
    .sort((a, b) => a.sizeBytes - b.sizeBytes);
}

function isComplete(parts: readonly RepositoryFile[]): boolean {
  const count = splitPart.exec(parts[0]?.path ?? "")?.[3];
  return count === undefined || parts.length === Number(count);
}

/** Which model of a repository is meant. */
export interface Choice {
  /** As the user wrote it, for messages. */
  source: string;
  repository: string;
  quantization?: string | undefined;
  file?: string | undefined;
  /** The quantization to take where none is named. */
  fallback?: string | undefined;
}

/** @throws LlamaError `MODEL_NOT_FOUND` where there is none, or several; it lists what there is */
export function chooseModel<File extends RepositoryFile>(
  models: readonly ModelFiles<File>[],
  choice: Choice,
): ModelFiles<File> {
  const { source, repository, quantization, file } = choice;
  if (models.length === 0) {
    throw notFound(source, `${repository} has no GGUF files; look for a repository whose name ends in "-GGUF"`);
  }
  const found =
    file !== undefined
      ? models.filter(({ files }) => files[0]?.path === file)
      : quantization !== undefined
        ? ofQuantization(models, quantization)
        : byPreference(models, choice.fallback);
  const [model, ...more] = found;
  if (model === undefined) throw missing(models, choice);
  if (more.length > 0) throw ambiguous(found, choice);
  return model;
}

/** `Q4` alone means each that begins with it; `UD-` in front of a label may be left out. */
export function ofQuantization<Model extends { quantization: string | null }>(
  models: readonly Model[],
  wanted: string,
): Model[] {
  const label = normalizeQuantization(wanted);
  const plain = (quantization: string | null): string => quantization?.replace(/^UD-/, "") ?? "";
  const ways = [
    (quantization: string | null): boolean => quantization === label,
    (quantization: string | null): boolean => plain(quantization) === label,
    (quantization: string | null): boolean => quantization?.startsWith(label) === true,
    (quantization: string | null): boolean => plain(quantization).startsWith(label),
  ];
  for (const isMeant of ways) {
    const found = models.filter(({ quantization }) => isMeant(quantization));
    if (found.length > 0) return found;
  }
  return [];
}

function byPreference<File extends RepositoryFile>(
  models: readonly ModelFiles<File>[],
  first: string | undefined,
): ModelFiles<File>[] {
  for (const label of first === undefined ? preferred : [first, ...preferred]) {
    const found = models.filter(({ quantization }) => quantization === label);
    if (found.length > 0) return found;
  }
  return [...models];
}

function missing(models: readonly ModelFiles[], { source, repository, quantization, file }: Choice): Error {
  if (file !== undefined) {
    const paths = models.map(({ files }) => files[0]?.path ?? "");
    const part = models.find(({ files }) => files.some(({ path }) => path === file))?.files[0]?.path;
    if (part !== undefined) return notFound(source, `${file} is a later part of a split model; its first is ${part}`);
    const near = nearestName(file, paths);
    const hint = near === undefined ? `It has ${paths.join(", ")}` : `Did you mean ${near}?`;
    return notFound(source, `${repository} has no file ${file}. ${hint}`);
  }
  return notFound(source, `${repository} has no ${quantization ?? "model"}. It has ${listLabels(models)}`);
}

function ambiguous(models: readonly ModelFiles[], { source, repository }: Choice): Error {
  const labels = models.map(({ quantization }) => quantization);
  const distinct = new Set(labels).size === labels.length && !labels.includes(null);
  const choices = distinct
    ? models.map(({ quantization }) => `hf:${repository}:${quantization ?? ""}`)
    : models.map(({ files }) => `hf:${repository}/${files[0]?.path ?? ""}`);
  return notFound(source, `${source} may mean several models; choose one: ${choices.join(", ")}`);
}

function listLabels(models: readonly ModelFiles[]): string {
  return models.map(({ quantization, files }) => quantization ?? basename(files[0]?.path ?? "")).join(", ");
}
