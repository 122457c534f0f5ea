// A program in one file with Node inside: the library and the server bundled into it, run beside an installed llama-native, and
// alone, where a variable names the addon.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { packageDir } from "../lib/paths.mjs";
import { BUNDLED_PROGRAM } from "./bundled-program.mjs";

/** @typedef {{ node: string, checks: Record<string, string> }} SingleExecutable each check is "ok", or what was printed */

const RUN_MS = 300_000;

/**
 * @param {string} folder a new one
 * @param {string} node of a release that makes such files by itself, 25.5 or newer
 * @param {string} model
 * @param {string} dist the folder of addons
 * @returns {Promise<SingleExecutable>}
 */
export async function proveSingleExecutable(folder, node, model, dist) {
  const installed = join(folder, "installed");
  const alone = join(folder, "alone");
  mkdirSync(join(installed, "node_modules"), { recursive: true });
  mkdirSync(alone);
  symlinkSync(packageDir, join(installed, "node_modules", "llama-native"));
  writeFileSync(join(installed, "program.mjs"), BUNDLED_PROGRAM);
  await build({
    entryPoints: [join(installed, "program.mjs")],
    outfile: join(folder, "program.cjs"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "error",
    logOverride: { "empty-import-meta": "silent" },
  });
  const config = { main: "program.cjs", output: "program", disableExperimentalSEAWarning: true };
  writeFileSync(join(folder, "sea.json"), JSON.stringify(config));
  const made = spawnSync(node, ["--build-sea", "sea.json"], { cwd: folder, encoding: "utf8", timeout: RUN_MS });
  if (made.status !== 0) throw new Error(`node --build-sea ended with ${made.status}:\n${made.stderr}`);
  /** @param {string} place @param {NodeJS.ProcessEnv} more @param {RegExp} expected */
  const outcome = (place, more, expected) => {
    const program = join(place, "program");
    copyFileSync(join(folder, "program"), program);
    const env = { ...process.env, LLAMA_NATIVE_OUT_DIR: "", LLAMA_NATIVE_ADDON: "", MODEL: model, ...more };
    const { stdout, stderr, status } = spawnSync(program, { env, encoding: "utf8", timeout: RUN_MS });
    return status === 0 && expected.test(stdout) ? "ok" : `ended with ${status}: ${stdout}${stderr}`;
  };
  return {
    node: spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim(),
    checks: {
      "beside an installed llama-native": outcome(installed, {}, /^3 200 \S+\n$/),
      "alone, with LLAMA_NATIVE_OUT_DIR": outcome(alone, { LLAMA_NATIVE_OUT_DIR: dist }, /^3 200 \S+\n$/),
      "alone, says what to set": outcome(alone, {}, /^NOT_BUILT .*set LLAMA_NATIVE_OUT_DIR/),
    },
  };
}
