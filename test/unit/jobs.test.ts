import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir, totalmem } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { decideJobs, describeJobs, freeMemory } from "../../scripts/lib/jobs.mjs";

const gibibyte = 1024 ** 3;

describe("the jobs of a build", () => {
  it.each([
    ["cpu", 8, 64, 8],
    ["cpu", 8, 4, 2],
    ["cuda", 8, 12, 4],
    ["vulkan", 8, 12, 6],
    ["cpu", 8, 0.5, 1],
  ] as const)("of %s with %i cores and %d GiB of memory free are %i", (backend, cores, memory, jobs) => {
    expect(decideJobs({}, backend, { cores, memoryBytes: memory * gibibyte }).jobs).toBe(jobs);
  });

  it("are decided by what can be told", () => {
    expect(describeJobs(decideJobs({}, "cpu", { cores: 8, memoryBytes: 4e9 }))).toBe(
      "2 jobs (8 cores, 4.0 GB of memory free, 1.6 GB for each)",
    );
    expect(describeJobs(decideJobs({}, "cuda", { cores: 1, memoryBytes: 1e9 }))).toBe(
      "1 job (1 core, 1.0 GB of memory free, 3.2 GB for each)",
    );
  });

  it("are those that the user asks for", () => {
    expect(decideJobs({ LLAMA_NATIVE_JOBS: "7" }, "cuda")).toEqual({ jobs: 7, reason: "LLAMA_NATIVE_JOBS" });
    expect(decideJobs({ LLAMA_NATIVE_JOBS: "many" }, "cuda")).not.toMatchObject({ reason: "LLAMA_NATIVE_JOBS" });
  });

  it("are never decided by more memory than is free here", () => {
    const { jobs } = decideJobs({}, "cpu");
    expect(jobs).toBeGreaterThanOrEqual(1);
    expect(jobs).toBeLessThanOrEqual(Math.max(1, Math.ceil(totalmem() / (1.5 * gibibyte))));
  });
});

describe("the memory that is free", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "llama-native-memory-"));
    mkdirSync(join(root, "proc"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("has the cache of files in it, as Linux tells", () => {
    const lines = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n";
    writeFileSync(join(root, "proc/meminfo"), lines);
    expect(freeMemory(root, "linux")).toBe(8_000_000 * 1024);
  });

  it("is what the system says elsewhere, and on a Mac what it gives up for the asking", () => {
    const near = (bytes: number): number => Math.abs(bytes - freemem());
    expect(near(freeMemory(root, "win32"))).toBeLessThan(gibibyte);
    expect(freeMemory(root, "darwin")).toBeGreaterThanOrEqual(totalmem() * 0.6);
  });
});
