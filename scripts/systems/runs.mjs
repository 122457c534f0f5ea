// What is run on another system, and what is asked of it.

import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageDir } from "../lib/paths.mjs";
import { environment } from "../package/installs.mjs";
import { readLogits, start } from "../prebuilt/runs.mjs";
import { converse } from "../runtimes/converse.mjs";
import { prove } from "../runtimes/prove.mjs";
import { compareLogits } from "../vulkan/compare.mjs";

/**
 * @typedef {import("../package/installs.mjs").Place} Place
 * @typedef {{ found: import("../prebuilt/run.mjs").Findings, logits: Float32Array }} Reference what this machine's addon says
 *
 * @typedef {object} SystemFound
 * @property {string} runtime
 * @property {Record<string, string>} checks each "ok", or what went wrong
 * @property {string | null} variant in use
 * @property {string} origin of the addon
 * @property {string | null} used the package it is of
 * @property {string} text
 * @property {boolean} sameText as this machine's addon
 * @property {number} likeliestEqual
 * @property {number} leastCosine
 *
 * @typedef {SystemFound & { system: string, compiler: string, variants: string[], installedBytes: number, package: { name: string, bytes: number, tarballBytes: number, about: string[] } }} SystemRow
 */

const QUESTIONS = {
  prompt: "The sun is a star at the centre of",
  longPrompt: "The sun is a star at the centre of",
  maxTokens: 32,
  text: "The sun is a star. Eight planets go around it, and the third of them is the Earth.",
};
/** Set before the first run, as for the kernels of lesser CPUs (prove-prebuilt.mjs). */
const LEAST_COSINE = 0.99;
const LEAST_LIKELIEST = 0.8;
const SERVE_MS = 60_000;

/** @param {Place} place @param {string} model @param {string} local @returns {Promise<Reference>} */
export async function startReference(place, model, local) {
  copyFileSync(join(packageDir, "scripts", "prebuilt", "run.mjs"), join(place.folder, "run.mjs"));
  const found = await start(place, { ...QUESTIONS, model }, { LLAMA_NATIVE_ADDON: local });
  return { found, logits: readLogits(place) };
}

/**
 * @param {{ place: Place, node: string, model: string, reference: Reference }} what
 * @returns {Promise<SystemFound>}
 */
export async function askSystem({ place, node, model, reference }) {
  const there = { ...place, npm: { ...place.npm, node } };
  const found = await start(there, { ...QUESTIONS, model }, {});
  const likeness = compareLogits(reference.logits, readLogits(there), found.vocabularySize);
  const dist = join(place.folder, "node_modules", "llama-native", "dist");
  const { runtime, checks } = prove(node, dist, model, {
    cwd: place.folder,
    env: { ...environment(place), LLAMA_NATIVE_SMOKE_CLIENT: "none" },
  });
  checks["serves HTTP to a client of another system"] = await serveOutside(there, dist, model);
  const { variant, origin, text } = found;
  return {
    ...{ runtime, checks, variant, origin, used: found.package, text, sameText: text === reference.found.text },
    ...likeness,
  };
}

/** @param {Place} place @param {string} dist @param {string} model @returns {Promise<string>} "ok", or what went wrong */
async function serveOutside(place, dist, model) {
  const { folder, npm } = place;
  const file = join(dirname(folder), "url");
  const server = spawn(npm.node, [join(packageDir, "scripts", "systems", "serve.mjs"), dist, model, file], {
    cwd: folder,
    env: environment(place),
    stdio: "ignore",
  });
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve) => void server.once("exit", resolve));
  try {
    for (const began = Date.now(); !existsSync(file); await sleep(100)) {
      if (server.exitCode !== null || Date.now() - began > SERVE_MS)
        throw new Error("Expected a server, but there is none");
    }
    await converse(fetch, readFileSync(file, "utf8"));
    rmSync(file);
    const code = await Promise.race([ended, sleep(SERVE_MS, "nothing", { ref: false })]);
    return code === 0 ? "ok" : `the server ended with ${code}`;
  } catch (error) {
    return String(error);
  } finally {
    rmSync(file, { force: true });
    server.kill("SIGKILL");
  }
}

/** @param {SystemFound} found @param {string} name of the package @returns {string[]} problems */
export function judgeSystem({ checks, origin, used, variant, leastCosine, likeliestEqual }, name) {
  const failed = Object.entries(checks).filter(([, outcome]) => outcome !== "ok");
  return [
    ...(origin === "prebuilt" && used === name ? [] : [`the addon in use is of ${used ?? origin}`]),
    ...(variant !== null ? [] : ["no kernels were chosen"]),
    ...failed.map(([check, outcome]) => `${check}: ${outcome}`),
    ...(leastCosine >= LEAST_COSINE && likeliestEqual >= LEAST_LIKELIEST
      ? []
      : [`it says something else, with a least cosine of ${leastCosine.toFixed(4)}`]),
  ];
}
