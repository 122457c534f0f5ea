import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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
