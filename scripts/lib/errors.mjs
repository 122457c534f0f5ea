// Failures that the build expects and explains. Anything else that is thrown is a defect and keeps its stack.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./paths.mjs";

/**
 * Why there is no addon; the values are part of `not-built.json` (see not-built.mjs).
 * @typedef {"missing-tools" | "no-sources" | "build-failed" | "not-loadable" | "skipped"} NotBuiltReason
 */

export class BuildError extends Error {
  /**
   * @param {NotBuiltReason} reason
   * @param {string} message
   * @param {{ logPath?: string }} [options]
   */
  constructor(reason, message, options = {}) {
    super(message);
    this.name = "BuildError";
    this.reason = reason;
    /** The complete output of the tools, where any ran. */
    this.logPath = options.logPath;
  }
}

/**
 * What an install goes on without its addon for: a defect too, whose stack a log has.
 * @param {unknown} error
 * @param {NodeJS.ProcessEnv} [env]
 */
export function asBuildError(error, env = process.env) {
  if (error instanceof BuildError) return error;
  const logPath = join(cacheDir(env), "logs", "install-defect.log");
  const stack = error instanceof Error ? error.stack : String(error);
  const why = `llama-native: the addon was not built, by a defect of its build: ${messageOf(error)}`;
  try {
    mkdirSync(join(cacheDir(env), "logs"), { recursive: true });
    writeFileSync(logPath, `${new Date().toISOString()}\n${stack}\n`);
  } catch {
    return new BuildError("build-failed", `${why}\n${stack}`);
  }
  return new BuildError("build-failed", `${why}; where it happened is in ${logPath}`, { logPath });
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
