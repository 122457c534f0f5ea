import { importScript } from "../package-facts.js";

/** What a build of the CPU's addon would take of this machine now, as an install decides it. */
export interface BuildFacts {
  /** Files that are compiled at once. */
  readonly jobs: number;
  /** What the jobs were decided by: processors and free memory, or the user. */
  readonly reason: string;
  /** On the disk of the build folders; null where the system does not tell. */
  readonly freeDiskBytes: number | null;
  /** Why there is no room on the disk, or null. */
  readonly problem: string | null;
}

export async function examineBuild(): Promise<BuildFacts> {
  const [{ decideJobs }, { diskProblem }, { freeDisk }, { cacheDir }] = await Promise.all([
    importScript<{ decideJobs: () => { jobs: number; reason: string } }>("lib/jobs.mjs"),
    importScript<{ diskProblem: (backend: string, freeBytes: number) => string | null }>("lib/gpu/choose.mjs"),
    importScript<{ freeDisk: (folder: string) => number }>("lib/gpu/facts.mjs"),
    importScript<{ cacheDir: () => string }>("lib/paths.mjs"),
  ]);
  const { jobs, reason } = decideJobs();
  const freeBytes = freeDisk(cacheDir());
  const freeDiskBytes = freeBytes === Infinity ? null : freeBytes;
  return { jobs, reason, freeDiskBytes, problem: diskProblem("cpu", freeBytes) };
}
