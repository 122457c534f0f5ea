// Builds the addon by hand: `npm run build:addon`, `npx llama-native build` and `node-gyp rebuild` end here.

import { parseArgs } from "node:util";
import { buildAddon } from "./lib/build-addon.mjs";
import { canCheckContract, checkContract } from "./lib/contract.mjs";
import { BuildError, messageOf } from "./lib/errors.mjs";
import { recordFailure } from "./lib/not-built.mjs";
import { distDir } from "./lib/paths.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";

const USAGE = `Usage: node scripts/build.mjs [--force] [--jobs <n>] [--verbose]

  --force      build from nothing, even though nothing changed
  --jobs <n>   compile so many files at once (default: by cores and memory)
  --verbose    print everything the build tools print`;

const reporter = createReporter();
stopChildrenOnSignals();
try {
  const options = readArguments(process.argv.slice(2));
  if (options === null) reporter.say(USAGE);
  else await main(options);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  reporter.say(error.message);
  recordFailure(distDir(), error);
  process.exitCode = 1;
} finally {
  reporter.close();
}

/** @param {{ force: boolean, verbose: boolean, jobs?: number }} options */
async function main(options) {
  const { path, how } = await buildAddon({ reporter, ...options });
  if (how !== "built") reporter.say(`llama-native: ${path} is up to date`);
  if (!canCheckContract()) return;
  const count = await checkContract(path);
  reporter.say(`llama-native: the addon exports the ${count} functions of its contract`);
}

/** @param {string[]} args */
function readArguments(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        force: { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
        jobs: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return null;
    const { force, verbose, jobs } = values;
    return jobs === undefined ? { force, verbose } : { force, verbose, jobs: readJobs(jobs) };
  } catch (error) {
    reporter.say(messageOf(error));
    reporter.say(USAGE);
    process.exit(2);
  }
}

/** @param {string} text */
function readJobs(text) {
  const jobs = Number(text);
  if (Number.isInteger(jobs) && jobs > 0) return jobs;
  throw new Error(`Expected a positive integer for --jobs but received ${text}`);
}
