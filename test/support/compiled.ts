import { execFile, execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const packageDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The library as it is published, for tests in processes of their own; compiled anew where the sources are newer. */
export function compiledLibrary(): string {
  compileWhereStale();
  return join(packageDir, "dist", "index.js");
}

/** The command as it is published. */
export function compiledCommand(): string {
  compileWhereStale();
  return join(packageDir, "dist", "cli", "main.js");
}

function compileWhereStale(): void {
  const compiled = statSync(join(packageDir, "dist", "cli", "main.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(packageDir, "src"), { recursive: true, withFileTypes: true });
  const newest = Math.max(...sources.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs));
  if (newest <= compiled) return;
  const typescript = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [typescript, "-p", "tsconfig.build.json"], { cwd: packageDir, stdio: "inherit" });
}

export interface ChildOutcome {
  /** The exit code, or the signal that ended the process. */
  end: number | string | null;
  stdout: string;
  stderr: string;
  milliseconds: number;
}

/**
 * Runs a program in a process of its own to its end, at most `timeout` milliseconds. It finds the library's path in
 * `LIBRARY` (a URL for ES modules) and further values in the environment.
 */
export function runProgram(
  program: string,
  values: Record<string, string> = {},
  { commonJs = false, timeout = 60_000, nodeOptions = [] as string[] } = {},
): Promise<ChildOutcome> {
  const started = performance.now();
  const args = [...nodeOptions, `--input-type=${commonJs ? "commonjs" : "module"}`, "--eval", program];
  const library = compiledLibrary();
  const env = { ...process.env, ...values, LIBRARY: commonJs ? library : pathToFileURL(library).href };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { env, timeout, killSignal: "SIGKILL", maxBuffer: 64 << 20 },
      (_error, stdout, stderr) => {
        const milliseconds = performance.now() - started;
        resolve({ end: child.exitCode ?? child.signalCode, stdout, stderr, milliseconds });
      },
    );
  });
}
