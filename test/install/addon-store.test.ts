import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claim, hasAddon, keepInCache, serves, takeFromCache } from "../../scripts/lib/addon-store.mjs";
import { inBuildFolder, lockPath } from "../../scripts/lib/build-folder.mjs";
import type { BuildInputs } from "../../scripts/lib/build-inputs.mjs";
import { pidSpace } from "../../scripts/lib/lock.mjs";

const made: BuildInputs = {
  backend: "vulkan",
  llamaCpp: "0.5.0",
  target: "linux-x64",
  cpu: "some",
  instructionSets: "avx2",
  sources: "these",
  packages: "",
  flags: "",
  gpu: "headers 1.4.309",
  tools: "GCC 12, CMake 3.25",
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llama-native-store-"));
  writeFileSync(join(root, "addon"), "addon");
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const keep = (inputs: Partial<BuildInputs>): void => {
  keepInCache(root, { ...made, ...inputs }, join(root, "addon"));
};
const take = (inputs: Partial<BuildInputs>): boolean => takeFromCache(root, { ...made, ...inputs }, join(root, "dist"));

describe("finished addons in the cache", () => {
  it("serve where all that they were made from is the same", () => {
    keep({});
    expect(take({})).toBe(true);
    expect(take({ sources: "others" })).toBe(false);
    expect(take({ gpu: "headers 1.3.280" })).toBe(false);
  });

  it("serve whichever tools and toolkit they were made with, where these are left open", () => {
    keep({});
    expect(take({ gpu: null, tools: null })).toBe(true);
    expect(take({ gpu: null, tools: null, sources: "others" })).toBe(false);
  });

  it("serve another version of this package whose sources are the same, and stand for that one then", () => {
    keep({});
    const [kept = ""] = readdirSync(join(root, "addons"));
    const stamp = join(root, "addons", kept, "build.json");
    writeFileSync(stamp, readFileSync(stamp, "utf8").replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
    expect(take({})).toBe(true);
    expect(hasAddon(join(root, "dist"))).toBe(true);
    copyFileSync(stamp, join(root, "dist", "build.json"));
    expect(hasAddon(join(root, "dist"))).toBe(false);
    claim(join(root, "dist"));
    expect(hasAddon(join(root, "dist"))).toBe(true);
  });

  it("leave another version's addon what it is where they cannot be put in its place", () => {
    keep({});
    mkdirSync(join(root, "dist", "llama-native.node"), { recursive: true }); // which no file replaces
    writeFileSync(join(root, "dist", "build.json"), JSON.stringify({ version: "0.0.1", sizeBytes: 5 }));
    expect(() => take({})).toThrow();
    expect(hasAddon(join(root, "dist"))).toBe(false);
    expect(serves(join(root, "dist"), made)).toBe(false);
  });

  it("push out old ones of their own backend alone", () => {
    keep({});
    for (let sources = 0; sources < 8; sources++) keep({ backend: "cpu", sources: String(sources) });
    const names = readdirSync(join(root, "addons"));
    expect(names.filter((name) => name.startsWith("vulkan-"))).toHaveLength(1);
    expect(names.filter((name) => name.startsWith("cpu-"))).toHaveLength(6);
  });
});

describe("build folders", () => {
  /** One that was used so many minutes ago, with the lock of a process that still runs or was killed. */
  function leave(key: string, minutesAgo: number, holder: number): void {
    const then = new Date(Date.now() - minutesAgo * 60_000);
    mkdirSync(join(root, "build", key), { recursive: true });
    writeFileSync(join(root, "build", key, ".used"), "");
    utimesSync(join(root, "build", key, ".used"), then, then);
    const lock = lockPath(root, key);
    mkdirSync(lock, { recursive: true });
    writeFileSync(join(lock, "owner.json"), JSON.stringify({ pid: holder, host: pidSpace() }));
  }
  /** No process has this pid: Linux and macOS count to 2^22 at most. */
  const deadPid = 2 ** 22 + 1;

  it("of killed builds go when they are old, those that are built in stay", async () => {
    for (let minutes = 1; minutes <= 5; minutes++) leave(`killed-${minutes}`, minutes, deadPid);
    leave("building", 60, process.ppid);
    await inBuildFolder({ cache: root, key: "new", fresh: false, generator: "Ninja" }, () => Promise.resolve());
    expect(readdirSync(join(root, "build")).sort()).toEqual(["building", "killed-1", "killed-2", "killed-3", "new"]);
  });
});
