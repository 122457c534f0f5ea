// The few things asked of git.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { findExecutable } from "./executables.mjs";
import { run } from "./run.mjs";

/**
 * Leaves the work tree of one commit in `target`, without its history.
 * @param {string} repository a bundle's path
 * @param {string} commit
 * @param {string} target
 * @param {NodeJS.ProcessEnv} env
 */
export async function checkout(repository, commit, target, env) {
  await git(["clone", "--quiet", "--no-checkout", repository, target], env);
  await git(["-C", target, "checkout", "--quiet", "--detach", commit], env);
  await rm(join(target, ".git"), { recursive: true, force: true });
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export async function git(args, env) {
  const program = findExecutable("git", env);
  if (program === null) throw new Error("git was not found");
  // An install that runs inside a git hook must not touch the hook's repository.
  const clean = Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^GIT_(DIR|WORK_TREE|INDEX_FILE)$/.test(name)),
  );
  const settings = ["-c", "core.autocrlf=false", "-c", "advice.detachedHead=false", "-c", "core.hooksPath="];
  const { code, output } = await run(program, [...settings, ...args], { env: { ...clean, GIT_TERMINAL_PROMPT: "0" } });
  if (code !== 0) throw new Error(`git ended with code ${code}: ${output.trim().split("\n").slice(-3).join(" ")}`);
}
