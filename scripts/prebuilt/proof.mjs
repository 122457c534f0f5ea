// The frame of the proofs that build packages: a folder that is gone afterwards, and what they say at their end.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { LLAMA_CPP_VERSION } from "../lib/pins.mjs";
import { createReporter } from "../lib/reporter.mjs";
import { countFiles } from "../package/installs.mjs";
import { tarballOf } from "../package/supplies.mjs";

/** What an install leaves at most: this package, the platform's, and what they need. */
const MOST_INSTALLED_BYTES = 30e6;

/** @typedef {{ work: string, reporter: import("../lib/reporter.mjs").Reporter }} Frame */

/**
 * Runs a proof, and ends the process with 1 where it finds problems.
 * @param {string} name
 * @param {(frame: Frame) => Promise<string[]>} prove tells the problems
 */
export async function runProof(name, prove) {
  const work = mkdtempSync(join(tmpdir(), `llama-native-${name}-`));
  const reporter = createReporter();
  try {
    const problems = await prove({ work, reporter });
    for (const problem of problems) console.log(`Problem: ${problem}`);
    console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    reporter.close();
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {number} installedBytes @returns {string[]} problems */
export function judgeInstalledSize(installedBytes) {
  if (installedBytes <= MOST_INSTALLED_BYTES) return [];
  return [`expected at most ${MOST_INSTALLED_BYTES / 1e6} MB to be installed, but it is ${installedBytes / 1e6}`];
}

/**
 * What a record of a proof begins with.
 * @param {string} platform the package's folder
 * @param {{ lines: string[] }} check of it
 * @param {Pick<import("./goods.mjs").Goods, "folder" | "supplies">} goods
 */
export function describeProof(platform, check, { folder, supplies }) {
  const name = basename(platform);
  const tarballBytes = statSync(join(folder, tarballOf(supplies, name))).size;
  return {
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    package: { name, bytes: countFiles(platform).bytes, tarballBytes, about: check.lines.slice(1) },
  };
}
