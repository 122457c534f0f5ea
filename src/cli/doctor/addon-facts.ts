import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import type { SystemInfo } from "../../native/load-addon.js";
import { addonPath } from "../../native/load-addon.js";
import { packageRoot } from "../../native/own-package.js";

/** Of the addon in use, and of what it says where it loads. */
export interface AddonFacts {
  readonly path: string;
  readonly sizeBytes: number | null;
  /** What the build wrote beside it, or null. */
  readonly build: {
    readonly backend: string;
    readonly compiler: string;
    readonly flags: string;
    /** Absent from packages, which are the same whenever they are built. */
    readonly builtAt: string | undefined;
  } | null;
  readonly system: SystemInfo | null;
  /** Why it does not load, or null. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

type Attempt = Pick<AddonFacts, "system" | "error">;

export async function examineAddon(): Promise<AddonFacts> {
  const attempt = await tryLoading();
  const path = attempt.system?.addon.path ?? addonPath();
  const [found, build] = await Promise.all([
    stat(path).catch(() => null),
    readBuild(join(dirname(path), "build.json")),
  ]);
  return { path, sizeBytes: found?.size ?? null, build, ...attempt };
}

async function readBuild(path: string): Promise<AddonFacts["build"]> {
  try {
    const { backend, compiler, flags, builtAt } = JSON.parse(await readFile(path, "utf8")) as NonNullable<
      AddonFacts["build"]
    >;
    return { backend, compiler, flags, builtAt };
  } catch {
    return null; // an addon from elsewhere, as LLAMA_NATIVE_ADDON may name one
  }
}

/** In a process of its own, as an addon made for another CPU ends the process that loads it. */
async function tryLoading(): Promise<Attempt> {
  const module = JSON.stringify(pathToFileURL(join(packageRoot(), "dist", "index.js")).href);
  const program = `
    import { systemInfo } from ${module};
    try {
      console.log(JSON.stringify({ system: systemInfo(), error: null }));
    } catch ({ code, message }) {
      console.log(JSON.stringify({ system: null, error: { code: String(code), message } }));
    }`;
  return new Promise((resolve) => {
    execFile(process.execPath, ["--input-type=module", "--eval", program], (error, stdout) => {
      resolve(error === null ? readAttempt(stdout) : { system: null, error: crashed(error) });
    });
  });
}

/** Drivers, and what NODE_OPTIONS loads, may print lines of their own before. */
function readAttempt(stdout: string): Attempt {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as Attempt;
  } catch {
    const message = `The process that loads the addon printed something else in the end: ${line}`;
    return { system: null, error: { code: "BACKEND_UNAVAILABLE", message } };
  }
}

function crashed({ signal, code }: { signal?: NodeJS.Signals | null; code?: number | string | null }): {
  code: string;
  message: string;
} {
  const how = signal ?? `exit code ${code ?? "unknown"}`;
  const why = signal === "SIGILL" ? "it was built for another CPU" : "it is damaged";
  const message = `The addon ends the process that loads it (${how}): ${why}; run \`npx llama-native build --force\``;
  return { code: "BACKEND_UNAVAILABLE", message };
}
