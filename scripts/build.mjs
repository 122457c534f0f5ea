// Builds the addon by hand: `npm run build:addon`, `npx llama-native build` and a checkout's `node-gyp rebuild` end here.

import { parseArgs } from "node:util";
import { buildAddon } from "./lib/build-addon.mjs";
import { buildBackend, buildForMachine } from "./lib/build-backends.mjs";
import { canCheckContract, checkContract } from "./lib/contract.mjs";
import { BuildError, messageOf } from "./lib/errors.mjs";
import { recordFailure } from "./lib/not-built.mjs";
import { distDir } from "./lib/paths.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";
import { adoptNpmConfig, readGpuChoice } from "./lib/settings.mjs";

const USAGE = `Usage: node scripts/build.mjs [--gpu <backend>] [--force] [--jobs <n>] [--verbose]

  --gpu <backend>  auto, cuda, metal, vulkan, hip or cpu (default: LLAMA_NATIVE_GPU, or auto: the CPU and the best GPU)
  --force          build from nothing, even though nothing changed
  --jobs <n>       compile so many files at once (default: by cores and free memory)
  --verbose        print everything the build tools print`;

adoptNpmConfig(process.env);
const reporter = createReporter();
let buildsForCpu = false;
stopChildrenOnSignals();
try {
  const options = readArguments(process.argv.slice(2));
  if (options === null) reporter.say(USAGE);
  else await main(options);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  reporter.say(error.message);
  // The note is on the CPU's addon; who asked for another has been told.
  if (buildsForCpu) recordFailure(distDir(), error);
  process.exitCode = 1;
} finally {
  reporter.close();
}

/**
 * @typedef {{ force: boolean, verbose: boolean, jobs?: number }} Options
 * @param {Options & { gpu?: string }} options
 */
async function main({ gpu, ...options }) {
  const choice =
    gpu === undefined ? readGpuChoice(process.env.LLAMA_NATIVE_GPU, "LLAMA_NATIVE_GPU") : readGpuChoice(gpu, "--gpu");
  buildsForCpu = choice === "auto" || choice === "cpu";
  for (const { path, how, backend } of await build(choice, { reporter, ...options })) {
    if (how !== "built") reporter.say(`llama-native: ${path} is up to date`);
    if (!canCheckContract()) continue;
    const count = await checkContract(path, backend);
    if (count === null) continue;
    reporter.say(`llama-native: the addon exports the ${count} functions of its contract`);
  }
}

/**
 * @param {import("./lib/settings.mjs").Backend | "auto"} choice
 * @param {Options & { reporter: import("./lib/reporter.mjs").Reporter }} options
 */
async function build(choice, options) {
  if (choice === "auto") return await buildForMachine(options);
  if (choice === "cpu") return [await buildAddon({ ...options, backend: "cpu" })];
  return [await buildBackend(choice, options)];
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
        gpu: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return null;
    const { force, verbose, jobs, gpu } = values;
    return {
      force,
      verbose,
      ...(gpu === undefined ? {} : { gpu }),
      ...(jobs === undefined ? {} : { jobs: readJobs(jobs) }),
    };
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
