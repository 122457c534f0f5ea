import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { join } from "node:path";

/** What this process may still take, and who says so. */
export interface AvailableMemory {
  /** Free memory and what the system can take back from its file cache, within every limit. */
  bytes: number;
  limit: "memory" | "container" | "process";
  /** What may still be mapped, files included; Infinity without such a limit. */
  addressBytes: number;
}

/**
 * Free memory of the machine, within the limits of control groups (containers, services) and of the process. `root` is where
 * Linux tells of them.
 */
export function freeMemory(root = "/"): AvailableMemory {
  const system = process.platform === "linux" ? (memInfo(root, "MemAvailable") ?? freemem()) : otherFreeMemory();
  const found: AvailableMemory = { bytes: system, limit: "memory", addressBytes: Infinity };
  if (process.platform !== "linux") return found;
  const group = Math.min(groupV2Room(root), groupV1Room(root));
  if (group < found.bytes) Object.assign(found, { bytes: group, limit: "container" });
  const limits = processLimits(root);
  const data = limits.data - statusBytes(root, "VmData");
  if (data < found.bytes) Object.assign(found, { bytes: Math.max(0, data), limit: "process" });
  return { ...found, addressBytes: Math.max(0, limits.address - statusBytes(root, "VmSize")) };
}

/** Memory of the machine in all, within the limits of control groups. */
export function totalMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}

/** Bytes of this process that no file backs; undefined where the system does not tell. */
export function anonymousBytes(): number | undefined {
  return process.platform === "linux" ? statusBytes("/", "RssAnon") : undefined;
}

/** macOS counts as used what it gives up for the asking, and compresses the rest; Windows tells what is available. */
function otherFreeMemory(): number {
  return process.platform === "darwin" ? Math.max(freemem(), totalmem() * 0.6) : freemem();
}

/** The least room under the limits of the process's group and those above it; Infinity without a limit. */
function groupV2Room(root: string): number {
  const path = groupPath(root, (controllers) => controllers === "");
  const roots = ["sys/fs/cgroup", "sys/fs/cgroup/unified"].map((folder) => join(root, folder));
  return ancestors(roots, path).reduce((least, folder) => {
    const limit = Math.min(readNumber(folder, "memory.max"), readNumber(folder, "memory.high"));
    const used = readNumber(folder, "memory.current");
    if (limit === Infinity || used === Infinity) return least;
    return Math.min(least, room(limit, used, readStat(folder, ["inactive_file", "active_file"])));
  }, Infinity);
}

/** The same for the older interface, where "no limit" is a number beyond all memory. */
function groupV1Room(root: string): number {
  const path = groupPath(root, (controllers) => controllers.split(",").includes("memory"));
  return ancestors([join(root, "sys/fs/cgroup/memory")], path).reduce((least, folder) => {
    const limit = readNumber(folder, "memory.limit_in_bytes");
    const used = readNumber(folder, "memory.usage_in_bytes");
    if (limit >= totalmem() || used === Infinity) return least;
    return Math.min(least, room(limit, used, readStat(folder, ["total_inactive_file", "total_active_file"])));
  }, Infinity);
}

function room(limit: number, used: number, fileCache: number): number {
  return Math.max(0, limit - Math.max(0, used - fileCache));
}

/** Where `/proc/self/cgroup` puts this process in the hierarchy that `matches`. */
function groupPath(root: string, matches: (controllers: string) => boolean): string {
  for (const line of readText(join(root, "proc/self/cgroup")).split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== undefined && path !== undefined && matches(controllers)) return path;
  }
  return "/";
}

/** The folders of a group and of all above it. In a container the upper ones may not be there, and the root is its own. */
function ancestors(roots: readonly string[], path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return roots.flatMap((root) =>
    Array.from({ length: parts.length + 1 }, (_, depth) => join(root, ...parts.slice(0, parts.length - depth))),
  );
}

function readNumber(folder: string, name: string): number {
  const text = readText(join(folder, name)).trim();
  return /^\d+$/.test(text) ? Number(text) : Infinity;
}

function readStat(folder: string, names: readonly string[]): number {
  return readText(join(folder, "memory.stat"))
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([name = ""]) => names.includes(name))
    .reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Soft limits of the process in bytes. */
function processLimits(root: string): { address: number; data: number } {
  const text = readText(join(root, "proc/self/limits"));
  const limit = (name: string): number => {
    const found = new RegExp(`^${name}\\s+(\\d+)`, "m").exec(text)?.[1];
    return found === undefined ? Infinity : Number(found);
  };
  return { address: limit("Max address space"), data: limit("Max data size") };
}

function statusBytes(root: string, name: string): number {
  return kibibytes(readText(join(root, "proc/self/status")), name) ?? 0;
}

function memInfo(root: string, name: string): number | undefined {
  return kibibytes(readText(join(root, "proc/meminfo")), name);
}

function kibibytes(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  return found === undefined ? undefined : Number(found) * 1024;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // this system has no such thing
  }
}
