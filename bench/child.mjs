// One run of one program's side of a workload, in a process of its own, so that memory, processor time and event loop
// delays are that program's own. Reads the job as JSON from standard input and prints one line of JSON.
//
// A program that takes part in a workload in its own way has a file programs/<program>/<workload>.mjs; the others do
// what the workload says with what programs/<program>/engine.mjs, conversation.mjs and tokenizer.mjs offer.

import { existsSync, readFileSync } from "node:fs";

/** @type {import("./lib/workload.js").Job} */
const job = JSON.parse(readFileSync(0, "utf8"));
const folder = `./programs/${job.program.family}/`;

try {
  const { measure } = await import(hasOwn(`${job.workload}.mjs`) ?? `./workloads/${job.workload}.mjs`);
  report(await measure(programSide(), job));
} catch (error) {
  // What still runs - a server, a generation - would keep this process alive.
  report({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () => process.exit(1));
}

/** @param {string} file */
function hasOwn(file) {
  return existsSync(new URL(folder + file, import.meta.url)) ? folder + file : null;
}

function programSide() {
  const side = (/** @type {string} */ file, /** @type {string} */ name) => async (/** @type {unknown} */ options) =>
    (await import(folder + file))[name](options);
  return {
    open: side("engine.mjs", "open"),
    openChat: side("conversation.mjs", "openChat"),
    openTokenizer: side("tokenizer.mjs", "openTokenizer"),
  };
}

/**
 * @param {unknown} result
 * @param {() => void} [written]
 */
function report(result, written) {
  process.stdout.write(`\n${JSON.stringify({ bench: result })}\n`, written);
}
