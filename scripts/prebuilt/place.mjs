// A project on a machine that has no compilers.

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findExecutable } from "../lib/executables.mjs";

/** All that is on the PATH. */
const PROGRAMS = ["node", "sh"];

/**
 * @param {{ work: string, npm: import("../package/installs.mjs").Npm, registry: string }} options
 * @returns {import("../package/installs.mjs").Place}
 */
export function preparePlace({ work, npm, registry }) {
  const bin = join(work, "bin");
  mkdirSync(bin);
  for (const name of PROGRAMS) {
    const program = findExecutable(name);
    if (program === null) throw new Error(`Expected the program ${name} but found none`);
    symlinkSync(program, join(bin, name));
  }
  const env = {
    PATH: bin,
    LLAMA_NATIVE_CACHE_DIR: join(work, "cache"),
    // So that npm passes on what the install script says.
    npm_config_foreground_scripts: "true",
  };
  return { folder: join(work, "program"), npm: { ...npm, node: join(bin, "node") }, registry, env };
}
