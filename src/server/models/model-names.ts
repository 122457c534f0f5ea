import { basename } from "node:path";

/**
 * Which names mean a model: a request's name is one of them where the two are equal but for the case of letters, what
 * stands between words, an owner in front (`mistralai/`), a tag behind (`:latest`), and the ending and quantization of a
 * file. So `mistral-7b-instruct-v0.2.Q4_K_M.gguf` is `mistralai/Mistral-7B-Instruct-v0.2`.
 */
export function plainName(name: string): string {
  const withoutOwner = name.replace(/^.*\//s, "").replace(/:[\w.-]*$/, "");
  return withoutFileEnding(withoutOwner)
    .toLowerCase()
    .replace(/[\s_.-]+/g, "-");
}

/** The name a model is listed by when it has none of its own: that of its file, or the one the hub knows it by. */
export function nameOfSource(source: string): string {
  return withoutFileEnding(basename(source.replace(/\\/g, "/"))) || source;
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
    .replace(/[._-](q\d\w*|iq\d\w*|f16|f32|bf16|fp16)$/i, "");
}
