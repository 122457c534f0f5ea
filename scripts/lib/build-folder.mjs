// CMake's build folders: kept between builds, so that only what changed is compiled again.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forgetOld, markUsed } from "./addon-store.mjs";
import { BuildError } from "./errors.mjs";
import { isHeld } from "./lock.mjs";
import { nativeDir } from "./paths.mjs";
import { LLAMA_CPP_VERSION } from "./pins.mjs";

/** Some 60 MB each. */
const KEPT_FOLDERS = 4;

/**
 * One folder for what can share it: CMake ties a folder to its source folder, compiler and generator.
 * @param {import("./build-inputs.mjs").BuildInputs} inputs
 * @param {import("./toolchain.mjs").Toolchain} toolchain
 */
export function buildKey(inputs, { compiler, generator }) {
  const { backend, target, cpu, flags, gpu, tools, llamaCpp } = inputs;
  const ties = [nativeDir, cpu, flags, gpu, tools, llamaCpp, compiler.path, generator];
  return `${backend}-${LLAMA_CPP_VERSION}-${target}-${shortHash(ties.join("\0"))}`;
}

/** @param {string} text */
export function shortHash(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}

/** Where the lock of a build folder is. @param {string} cache @param {string} key */
export function lockPath(cache, key) {
  return join(cache, "locks", key);
}

/**
 * Ninja knows which of its steps were finished when it was killed. Make and CMake itself take a half-written file for
 * a finished one, so that a folder they were killed in is not used again.
 * @template T
 * @param {{ cache: string, key: string, fresh: boolean, generator: string | null }} folder
 * @param {(buildDir: string) => Promise<T>} work
 */
export async function inBuildFolder({ cache, key, fresh, generator }, work) {
  const buildDir = join(cache, "build", key);
  const marker = join(buildDir, ".unfinished");
  const resumable = generator === "Ninja" && existsSync(join(buildDir, "build.ninja"));
  if (fresh || (existsSync(marker) && !resumable)) rmSync(buildDir, { recursive: true, force: true });
  mkdirSync(buildDir, { recursive: true });
  writeFileSync(marker, "");
  markUsed(buildDir);
  try {
    const result = await work(buildDir);
    rmSync(marker, { force: true });
    return result;
  } catch (error) {
    // Tools that end by themselves remove what they did not finish.
    if (error instanceof BuildError) rmSync(marker, { force: true });
    throw error;
  } finally {
    forgetOld(join(cache, "build"), KEPT_FOLDERS, (name) => isHeld(lockPath(cache, name)));
  }
}
