import { spawn } from "node:child_process";
import { constants } from "node:os";

import type { Command } from "commander";

import { gpuChoices } from "../../native/backends.js";
import { anInteger, oneOf } from "../../validate.js";
import { number } from "../flags/values.js";
import { scriptPath } from "../package-facts.js";

interface BuildFlags {
  readonly force?: boolean;
  readonly jobs?: string;
  readonly verbose?: boolean;
  readonly gpu?: string;
}

export function defineBuild(command: Command): void {
  command
    .option("--gpu <backend>", "auto, cuda, metal, vulkan, hip or cpu (the CPU and this machine's best GPU)")
    .option("--force", "build from nothing, even though nothing changed")
    .option("--jobs <count>", "compile so many files at once (by cores and memory)")
    .option("--verbose", "print everything the build tools print")
    .action(async ({ force, jobs, verbose, gpu }: BuildFlags) => {
      const args = [
        ...(gpu === undefined ? [] : [`--gpu=${oneOf(...gpuChoices)(gpu, "--gpu")}`]),
        ...(force === true ? ["--force"] : []),
        ...(jobs === undefined ? [] : [`--jobs=${anInteger(1)(number(jobs), "--jobs")}`]),
        ...(verbose === true ? ["--verbose"] : []),
      ];
      process.exitCode = await runScript(scriptPath("build.mjs"), args);
    });
}

/** Runs a script of the package as this process would; signals are its own affair until it has ended. */
async function runScript(path: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [path, ...args], { stdio: "inherit" });
  // The terminal sends Ctrl-C to the child too.
  const wait = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", wait).on("SIGTERM", pass).on("SIGHUP", pass);
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]));
    });
  } finally {
    process.off("SIGINT", wait).off("SIGTERM", pass).off("SIGHUP", pass);
  }
}
