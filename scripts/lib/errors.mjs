// Failures that the build expects and explains. Anything else that is thrown is a defect and keeps its stack.

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

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
