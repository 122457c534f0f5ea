import { splitPaths } from "../../model/split-paths.js";
import type { NativeGgufFile } from "../../native/contract.js";

/** A GGUF model, with the tensors of all its files. */
export interface InspectedModel extends NativeGgufFile {
  /** Absolute paths; several for a split model. */
  readonly files: readonly string[];
}

/** `path` is the model's file, or the first of a split one's. A later file of a split model is looked at by itself. */
export async function inspectFiles(path: string): Promise<InspectedModel> {
  const { inspectModel } = await import("../../model/inspect-model.js");
  const files = splitPaths(path);
  const parts = await Promise.all(files.map((file) => inspectModel(file)));
  const [first] = parts;
  if (first === undefined) throw new Error("A model has a file");
  return {
    files,
    ...first,
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    tensors: parts.flatMap((part) => part.tensors),
  };
}
