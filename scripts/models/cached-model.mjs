// Keeps the models that tests and benchmarks use in the cache folder, so that each is written once.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { withLock } from "../lib/lock.mjs";
import { cacheDir } from "../lib/paths.mjs";
import { partPaths, writeModel } from "./write-model.mjs";

/**
 * Writes the model unless it was written before by these sources with these options. Any number of processes may ask
 * for one at the same time.
 * @param {import("./write-model.mjs").ModelOptions} options
 * @returns {Promise<string[]>} the model's files
 */
export async function cachedModel(options) {
  const folder = env.LLAMA_NATIVE_TEST_MODELS || join(cacheDir(), "test-models");
  const name = fileName(options);
  const path = join(folder, `${name}.${await hashOfSources(options)}.gguf`);
  const paths = partPaths(path, options.split);
  if (paths.every((part) => existsSync(part))) return paths;
  return withLock(`${join(folder, name)}.lock`, async () => {
    if (paths.every((part) => existsSync(part))) return paths;
    await removeOlder(folder, name);
    return writeModel(path, options);
  });
}

/** @param {import("./write-model.mjs").ModelOptions} options */
function fileName({ shape, type, seed, split, vocabularyOnly }) {
  const parts = [shape, vocabularyOnly ? "vocabulary" : type];
  if (seed !== 1) parts.push(`seed-${seed}`);
  if (split !== 1) parts.push(`split-${split}`);
  return parts.join("-");
}

/** @param {import("./write-model.mjs").ModelOptions} options */
async function hashOfSources(options) {
  const folder = dirname(fileURLToPath(import.meta.url));
  const hash = createHash("sha256").update(JSON.stringify(options));
  for (const name of (await readdir(folder)).sort()) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}

/**
 * Removes what earlier sources made and what an ended process left half written: files of up to gigabytes that nothing
 * will ask for again.
 * @param {string} folder
 * @param {string} name
 */
async function removeOlder(folder, name) {
  for (const file of await readdir(folder)) {
    const isLock = file.startsWith(`${name}.lock`);
    if (file.startsWith(`${name}.`) && !isLock) await rm(join(folder, file), { force: true });
  }
}
