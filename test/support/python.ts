import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { withLock } from "../../scripts/lib/lock.mjs";
import { cacheDirectory } from "../../src/hub/index.js";

const run = promisify(execFile);

/** The folder with a Python package and what it needs, installed on first use; to be the `PYTHONPATH`. */
export async function pythonPackage(requirement: string): Promise<string> {
  const folder = join(cacheDirectory(), "python", requirement.replace(/[^\w.-]+/g, "-"));
  if (existsSync(folder)) return folder;
  await mkdir(join(folder, ".."), { recursive: true });
  return withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return folder;
    const unfinished = `${folder}.${process.pid}`;
    try {
      await run("python3", ["-m", "pip", "install", "--quiet", "--target", unfinished, requirement]);
      await rename(unfinished, folder);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    return folder;
  });
}

/** What a Python program prints. */
export async function runPython(
  args: readonly string[],
  packages: string,
  env: Record<string, string | undefined>,
): Promise<string> {
  const { stdout } = await run("python3", [...args], {
    env: { ...process.env, ...env, PYTHONPATH: packages },
    encoding: "utf8",
  });
  return stdout.trim();
}
