// Gets llama.cpp's sources from its own repository.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { git } from "./git.mjs";
import { UPSTREAM } from "./pins.mjs";

/**
 * @param {string} target
 * @param {import("./sources.mjs").SourceOptions} options
 */
export async function cloneUpstream(target, { env }) {
  await git(["clone", "--quiet", "--depth", "1", "--branch", UPSTREAM.tag, UPSTREAM.url, target], env);
  await rm(join(target, ".git"), { recursive: true, force: true });
}
