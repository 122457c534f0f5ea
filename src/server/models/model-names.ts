import { basename } from "node:path";

import { InvalidOptionError } from "../../errors.js";

/** Characters of a name in a request: a longer one is no model's, and not worth a look. */
export const longestName = 512;

/** `Q4_K_M`, `IQ3_XXS`, `UD-Q4_K_XL`, `mxfp4`, `bf16`, … Bounded, as names are the client's. */
const quantization = String.raw`(?:(?:ud-)?i?q\d\w{0,15}|tq\d_\d|mxfp4(?:_moe)?|nvfp4|bf16|fp?16|fp?32)`;
const quantizedFile = new RegExp(`[._-]${quantization}$`, "i");
const indifferentTag = new RegExp(`:(?:latest|${quantization})$`, "i");

/**
 * Which names mean a model: a request's name is one of them where the two are equal but for the case of letters, what
 * stands between words, an owner in front (`mistralai/`), `:latest` or a quantization behind, and the ending of a file. So
 * `mistral-7b-instruct-v0.2.Q4_K_M.gguf` is `mistralai/Mistral-7B-Instruct-v0.2`; `qwen2.5:7b` is `Qwen2.5-7B`, and not `qwen2.5:72b`.
 */
export function plainName(name: string): string {
  const withoutOwner = name.replace(/^.*\//s, "").replace(indifferentTag, "");
  return withoutFileEnding(withoutOwner)
    .toLowerCase()
    .replace(/[\s_.:-]+/g, "-");
}

/** The name a model is listed by when it has none of its own: that of its file, or the one the hub knows it by. */
export function nameOfSource(source: string): string {
  return withoutFileEnding(basename(source.replace(/\\/g, "/"))) || source;
}

/**
 * The ids of models that are served together: the name given, or that of the source, with its quantization where another has
 * the same. Throws `INVALID_OPTION` where two are equal even so.
 */
export function distinctIds(models: readonly { name?: string | undefined; source: string }[]): string[] {
  const short = models.map(({ name, source }) => name ?? nameOfSource(source));
  const isShared = (id: string): boolean => short.filter((other) => isSameName(other, id)).length > 1;
  const ids = models.map(({ name, source }, index) => {
    const id = short[index] ?? source;
    return name === undefined && isShared(id) ? exactName(source) : id;
  });
  for (const [index, id] of ids.entries()) {
    const first = ids.findIndex((other) => isSameName(other, id));
    if (first === index) continue;
    const both = `${models[first]?.source ?? ""} and ${models[index]?.source ?? ""}`;
    throw new InvalidOptionError("models", `models with names of their own (${both} have the same)`, id);
  }
  return ids;
}

/** Whether one is the other but for the case of letters. */
export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function exactName(source: string): string {
  return basename(source.replace(/\\/g, "/")).replace(/\.gguf$/i, "") || source;
}

/** How a model's own file calls it, where it does. */
export function namesInMetadata(metadata: Readonly<Record<string, string>>): string[] {
  const name = metadata["general.name"];
  return name === undefined || name === "" ? [] : [name];
}

function withoutFileEnding(name: string): string {
  return name
    .replace(/\.gguf$/i, "")
    .replace(/-\d{5}-of-\d{5}$/, "")
    .replace(quantizedFile, "");
}
