import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { compiledLibrary } from "./compiled.js";

/** Memory that the system itself grants a child and no more, as containers and services have it. */
export interface MemoryLimit {
  /** The program and arguments that run a program under the limit. */
  command: (program: string, args: readonly string[]) => [program: string, ...args: string[]];
  remove: () => void;
}

/** A control group below this process's own, of the older or newer interface; undefined where none may be made. */
export function memoryGroup(bytes: number): MemoryLimit | undefined {
  for (const { parent, file } of parents()) {
    const group = join(parent, `llama-native-test-${process.pid}-${Date.now()}`);
    try {
      mkdirSync(group);
      try {
        writeFileSync(join(group, file), String(bytes));
      } catch (error) {
        rmdirSync(group);
        throw error;
      }
      return {
        command: (program, args) => [
          "sh",
          "-c",
          `echo $$ > ${group}/cgroup.procs && exec "$@"`,
          "sh",
          program,
          ...args,
        ],
        remove: () => rmdirSync(group),
      };
    } catch {
      // not ours to divide
    }
  }
  return undefined;
}

function parents(): { parent: string; file: string }[] {
  if (process.platform !== "linux") return [];
  const lines = readFileSync("/proc/self/cgroup", "utf8").split("\n");
  const found = lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "" && path !== undefined) {
      return [{ parent: join("/sys/fs/cgroup", path), file: "memory.max" }];
    }
    if (controllers?.split(",").includes("memory") !== true || path === undefined) return [];
    return [{ parent: join("/sys/fs/cgroup/memory", path), file: "memory.limit_in_bytes" }];
  });
  return found.filter(({ parent }) => existsSync(join(parent, "cgroup.procs")));
}

/** Whether this process may make such groups. */
export function groupsWork(): boolean {
  const group = memoryGroup(64 << 20);
  group?.remove();
  return group !== undefined;
}

export interface Outcome {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

export function run([program, ...args]: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      program!,
      args,
      { env: { ...process.env, ...env }, timeout: 120_000 },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? child.signalCode, stdout, stderr });
      },
    );
  });
}

/** Loads, makes a context, fills what it can and says what was chosen, or how it was refused. */
const program = `
  const { loadModel } = await import(process.env.LIBRARY);
  try {
    const model = await loadModel(process.env.MODEL, JSON.parse(process.env.LOAD));
    const context = await model.createContext(JSON.parse(process.env.CONTEXT));
    const tokens = Int32Array.from({ length: 700 }, (_, index) => 3 + (index * 7919) % 31000);
    const { usage } = await context.generate({ tokens, maxTokens: 4, ignoreEos: true });
    console.log(JSON.stringify({ ...context.fit, generated: usage.completionTokens }));
    await model.dispose();
  } catch ({ code, message, details }) {
    console.log(JSON.stringify({ code, message, details }));
  }`;

/** What that says: `generated` and the fit, or `code`, `message` and `details`. */
export type Findings = Record<string, unknown>;

/** Runs a model under a limit, in a process that must end by itself, with 0 and nothing on standard error. */
export async function runModel(
  model: string,
  command: MemoryLimit["command"],
  context: object,
  load: object = {},
): Promise<Findings> {
  const env = {
    LIBRARY: pathToFileURL(compiledLibrary()).href,
    MODEL: model,
    CONTEXT: JSON.stringify(context),
    LOAD: JSON.stringify(load),
  };
  const args = ["--input-type=module", "--eval", program];
  const { code, stdout, stderr } = await run(command(process.execPath, args), env);
  if (code !== 0 || stderr !== "") throw new Error(`Expected an end with 0 but got ${String(code)}: ${stderr}`);
  return JSON.parse(stdout) as Findings;
}
