import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const packageDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The library as it is published, for tests in processes of their own; see compile.ts. */
export function compiledLibrary(): string {
  return join(packageDir, "dist", "index.js");
}

/** The command as it is published. */
export function compiledCommand(): string {
  return join(packageDir, "dist", "cli", "main.js");
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
