// What Linux tells of memory, in files as both interfaces of control groups have them.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { freeMemory } from "../../src/model/machine-memory.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "machine-memory-"));
  await write({
    "proc/meminfo": "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n",
  });
});
afterEach(() => rm(root, { recursive: true }));

async function write(files: Record<string, string | number>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), typeof content === "number" ? `${content}\n` : content);
  }
}

const machine = { bytes: 8_000_000 * 1024, limit: "memory", addressBytes: Infinity };

describe.runIf(process.platform === "linux")("free memory", () => {
  it("is the machine's, its file cache included, where nothing limits it", async () => {
    expect(freeMemory(root)).toEqual(machine);
    await write({ "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n" });
    expect(freeMemory(root)).toEqual(machine);
  });

  describe("in a control group of the newer interface", () => {
    const service = "sys/fs/cgroup/user.slice/app.service";
    beforeEach(() =>
      write({
        "proc/self/cgroup": "0::/user.slice/app.service\n",
        [`${service}/memory.max`]: 2e9,
        [`${service}/memory.high`]: "max\n",
        [`${service}/memory.current`]: 1.5e9,
        [`${service}/memory.stat`]: "anon 700000000\nfile 800000000\ninactive_file 300000000\nactive_file 200000000\n",
      }),
    );

    it("is what its limit leaves, its file cache counted as free", () => {
      expect(freeMemory(root)).toEqual({ ...machine, bytes: 2e9 - (1.5e9 - 0.5e9), limit: "container" });
    });

    it("is what the lower of its two limits leaves", async () => {
      await write({ [`${service}/memory.high`]: 1.2e9 });
      expect(freeMemory(root).bytes).toBe(1.2e9 - 1e9);
      await write({ [`${service}/memory.max`]: "max\n" });
      expect(freeMemory(root).bytes).toBe(1.2e9 - 1e9);
      await write({ [`${service}/memory.high`]: 0.9e9 });
      expect(freeMemory(root)).toMatchObject({ bytes: 0, limit: "container" });
    });

    it("is what the limit of a group above leaves, where that is less", async () => {
      await write({
        "sys/fs/cgroup/user.slice/memory.max": 4e9,
        "sys/fs/cgroup/user.slice/memory.current": 3.8e9,
        "sys/fs/cgroup/user.slice/memory.stat": "inactive_file 100000000\n",
      });
      expect(freeMemory(root).bytes).toBe(4e9 - 3.7e9);
    });

    it("is what the outermost folder tells where the container sees no other, beside the older interface too", async () => {
      await rm(join(root, "sys"), { recursive: true });
      await write({ "sys/fs/cgroup/memory.max": 3e9, "sys/fs/cgroup/memory.current": 1e9 });
      expect(freeMemory(root).bytes).toBe(2e9);
      await rm(join(root, "sys"), { recursive: true });
      await write({ "sys/fs/cgroup/unified/memory.max": 3e9, "sys/fs/cgroup/unified/memory.current": 2e9 });
      expect(freeMemory(root).bytes).toBe(1e9);
    });
  });

  describe("in a control group of the older interface", () => {
    const group = "sys/fs/cgroup/memory/docker/abc";
    beforeEach(() =>
      write({
        "proc/self/cgroup": "12:cpu,cpuacct:/elsewhere\n5:hugetlb,memory:/docker/abc\n0::/\n",
        [`${group}/memory.limit_in_bytes`]: 1e9,
        [`${group}/memory.usage_in_bytes`]: 0.8e9,
        [`${group}/memory.stat`]: "inactive_file 1\ntotal_inactive_file 200000000\ntotal_active_file 100000000\n",
      }),
    );

    it("is what its limit leaves, with the file cache of the groups below", () => {
      expect(freeMemory(root)).toEqual({ ...machine, bytes: 1e9 - 0.5e9, limit: "container" });
    });

    it("is not limited by a number beyond all memory", async () => {
      await write({ [`${group}/memory.limit_in_bytes`]: "9223372036854771712\n" });
      expect(freeMemory(root)).toEqual(machine);
    });

    it("is what a group above leaves, where that is less", async () => {
      const above = "sys/fs/cgroup/memory/docker";
      await write({ [`${above}/memory.limit_in_bytes`]: 2e9, [`${above}/memory.usage_in_bytes`]: 1.9e9 });
      expect(freeMemory(root).bytes).toBe(0.1e9);
    });
  });

  it("is what limits of the process leave of data, and of addresses", async () => {
    const limits = (address: string, data: string): string =>
      `Limit                     Soft Limit           Hard Limit           Units     \n` +
      `Max data size             ${data.padEnd(20)} unlimited            bytes     \n` +
      `Max address space         ${address.padEnd(20)} unlimited            bytes     \n`;
    await write({ "proc/self/status": "VmSize:\t 1000000 kB\nVmData:\t  200000 kB\n" });
    await write({ "proc/self/limits": limits("unlimited", "unlimited") });
    expect(freeMemory(root)).toEqual(machine);
    await write({ "proc/self/limits": limits("3000000000", "1000000000") });
    expect(freeMemory(root)).toEqual({
      bytes: 1e9 - 200_000 * 1024,
      limit: "process",
      addressBytes: 3e9 - 1_000_000 * 1024,
    });
  });
});
