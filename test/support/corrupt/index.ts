import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Corruption, Outcome } from "./corruption.js";
import { flips } from "./flips.js";
import { foreign } from "./foreign.js";
import { Gguf } from "./gguf.js";
import { missingKeys, vocabularies, wrongTypes, wrongValues } from "./metadata.js";
import { counts, headers, truncations } from "./structure.js";
import { tensorList, weights } from "./tensors.js";

const corruptions: Corruption[] = [
  ...foreign,
  ...truncations,
  ...headers,
  ...counts,
  ...missingKeys,
  ...wrongTypes,
  ...wrongValues,
  ...vocabularies,
  ...tensorList,
  ...weights,
  ...flips,
];

export interface CorruptFile {
  name: string;
  outcome: Outcome;
  path: string;
}

export const corruptionNames: readonly string[] = corruptions.map(({ name }) => name);

/**
 * Damages a well-formed model in every way there is here, one after the other: each is written to `folder`, and stays
 * there until the next one is asked for. The last is a folder in place of a file.
 */
export async function* corruptFiles(model: string, folder: string): AsyncGenerator<CorruptFile> {
  const original = new Gguf(await readFile(model));
  for (const [index, { name, outcome, make }] of corruptions.entries()) {
    const path = join(folder, `corrupt-${index}.gguf`);
    await writeFile(path, make(original));
    yield { name, outcome, path };
    await rm(path);
  }
  const path = join(folder, "folder.gguf");
  await mkdir(path);
  yield { name: "a folder", outcome: "refused", path };
  await rm(path, { recursive: true });
}
