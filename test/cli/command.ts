import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const packageDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const main = join(packageDir, "dist", "cli", "main.js");

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** What is piped in; without it standard input is empty. */
  input?: string | Uint8Array;
  /** Added to the environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
}

/** The program and the arguments that run the command as it is published. */
export function commandLine(args: readonly string[]): [program: string, ...args: string[]] {
  return [process.execPath, main, ...args];
}

/** Runs the command to its end. */
export async function run(args: readonly string[], { input = "", env = {} }: RunOptions = {}): Promise<Outcome> {
  const command = start(args, env);
  command.child.stdin.on("error", () => undefined); // commands that read no text may end before it is written
  command.child.stdin.end(input);
  return command.outcome;
}

/** Starts the command with an open standard input. */
export function start(args: readonly string[], env: RunOptions["env"] = {}) {
  const [program, ...rest] = commandLine(args);
  const child = spawn(program, rest, { env: environment(env), stdio: "pipe" });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...written }));
  });
  return { child, outcome, written };
}

export function environment(changes: RunOptions["env"] = {}): NodeJS.ProcessEnv {
  const { NO_COLOR: _noColor, FORCE_COLOR: _forceColor, LLAMA_NATIVE_DEBUG: _debug, ...rest } = process.env;
  return { ...rest, ...changes };
}
