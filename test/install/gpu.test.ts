import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findLibrary } from "../../scripts/lib/gpu/facts.mjs";
import type { Mounts, NotBuilt } from "./sandbox.js";
import { builtAddon, Sandbox } from "./sandbox.js";

const copyAddon = `cp "${builtAddon}" Release/llama-native.node`;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  sandbox.addSources();
});
afterEach(() => {
  sandbox.remove();
});

function put(path: string, text = ""): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
}

/** A CUDA toolkit as far as its files tell. */
function addCuda(version = 12040, newestGcc = 13): Record<string, string> {
  const root = join(sandbox.root, "cuda toolkit ü");
  put(join(root, "bin", "nvcc"), "#!/bin/sh\nexit 1\n");
  put(join(root, "include", "cuda.h"), `#define CUDA_VERSION ${version}\n`);
  put(join(root, "include", "cublas_v2.h"));
  put(join(root, "include", "crt", "host_config.h"), `gcc versions later than ${newestGcc} are not supported!`);
  return { CUDA_PATH: root };
}

/** The backends' CMake projects end differently: the fake CMake is told by the setting that names the backend. */
function addToolchain(gpuScript: string): void {
  sandbox.addToolchain("exit 1");
  sandbox.addTool(
    "cmake",
    `case "$1" in
--version) echo "cmake version 3.30.0" ;;
--build) mkdir -p Release; if grep -q BACKEND=cpu settings; then ${copyAddon}; else ${gpuScript}; fi ;;
*) echo "$*" > settings; touch build.ninja ;;
esac`,
  );
}

const gpuAddon = (backend: string): string => join(sandbox.dist, backend, "llama-native.node");
const note = (backend: string): NotBuilt =>
  JSON.parse(readFileSync(join(sandbox.dist, backend, "not-built.json"), "utf8")) as NotBuilt;
const cuda = { LLAMA_NATIVE_GPU: "cuda" };

describe("an install with a GPU's backend", () => {
  it("builds the CPU's addon first, then the GPU's, each in its own folders", async () => {
    addToolchain(copyAddon);
    const { code, output } = await sandbox.run("install.mjs", { ...cuda, ...addCuda() });
    expect(code).toBe(0);
    expect(existsSync(sandbox.addon) && existsSync(gpuAddon("cuda"))).toBe(true);
    const stamp: unknown = JSON.parse(readFileSync(join(sandbox.dist, "cuda", "build.json"), "utf8"));
    expect(stamp).toMatchObject({ backend: "cuda" });
    const cpuAt = output.indexOf("building the addon with");
    expect(cpuAt).toBeGreaterThanOrEqual(0);
    expect(output.indexOf("building the addon for cuda (CUDA 12.4, ")).toBeGreaterThan(cpuAt);
  });

  it("does nothing the second time", async () => {
    addToolchain(copyAddon);
    const env = { ...cuda, ...addCuda() };
    await sandbox.run("install.mjs", env);
    const { output } = await sandbox.run("install.mjs", env);
    expect(output).not.toContain("building");
  });

  it("keeps the CPU's addon where the GPU's build fails, with the reason and the log", async () => {
    addToolchain('echo "ggml-cuda.cu(7): error: no such kernel"; exit 1');
    const { code, output } = await sandbox.run("install.mjs", { ...cuda, ...addCuda() });
    expect(code).toBe(0);
    expect(output).toContain("error: no such kernel");
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(sandbox.notBuilt).toBeUndefined();
    expect(note("cuda")).toMatchObject({ reason: "build-failed" });
    expect(readFileSync(note("cuda").logPath!, "utf8")).toContain("no such kernel");
    addToolchain(copyAddon);
    await sandbox.run("install.mjs", { ...cuda, ...addCuda() });
    expect(existsSync(join(sandbox.dist, "cuda", "not-built.json"))).toBe(false);
  });

  it.each<[string, () => Record<string, string>, string]>([
    ["without a toolkit", () => ({}), "there is no CUDA toolkit"],
    [
      "with a compiler that is too new for it",
      () => addCuda(12040, 8),
      "CUDA 12.4 does not accept GCC 9, only up to 8",
    ],
    ["with an old toolkit", () => addCuda(10020), "CUDA 10.2 is too old"],
  ])("%s says so, and leaves the CPU's addon", async (_what, env, reason) => {
    addToolchain(copyAddon);
    const { code, output } = await sandbox.run("install.mjs", { ...cuda, ...env() });
    expect(code).toBe(0);
    expect(output).toContain(`there is no addon for cuda, because ${reason}`);
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(note("cuda")).toMatchObject({ reason: "missing-tools", logPath: null });
    const asked = await sandbox.run("build.mjs", env(), ["--gpu", "cuda"]);
    expect(asked).toMatchObject({ code: 1, output: expect.stringContaining(reason) as string });
  });

  it("listens to npm's configuration", async () => {
    addToolchain(copyAddon);
    const { output } = await sandbox.run("install.mjs", { npm_config_llama_native_gpu: "cuda", ...addCuda() });
    expect(output).toContain("building the addon for cuda");
    const skipped = await sandbox.run("install.mjs", { npm_config_llama_native_skip_build: "1" });
    expect(skipped.output).toContain("LLAMA_NATIVE_SKIP_BUILD is set");
  });

  it.each([
    ["auto", /the addon was not built, by a defect of its build: a defect; where it happened is in .*\.log\n/],
    ["cuda", /the addon was not built, by a defect of its build: a defect; where it happened is in .*\.log\n/],
  ])("leaves the CPU's addon where the search for GPUs fails of itself: %s", async (choice, words) => {
    addToolchain(copyAddon);
    const preload = join(sandbox.root, "preload.cjs");
    // A file that is asked for when GPUs are looked for, and never else.
    const script = `const fs = require("node:fs"), { existsSync } = fs;
fs.existsSync = (path) => {
  if (String(path).endsWith("dev/kfd")) throw new TypeError("a defect");
  return existsSync(path);
};
require("node:module").syncBuiltinESMExports();`;
    writeFileSync(preload, script);
    const env = { LLAMA_NATIVE_GPU: choice, NODE_OPTIONS: `--require=${preload}` };
    const { code, output } = await sandbox.run("install.mjs", env);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(words) as string });
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it("takes a wish that is none for the CPU, and says so", async () => {
    addToolchain(copyAddon);
    const { code, output } = await sandbox.run("install.mjs", { LLAMA_NATIVE_GPU: "rtx" });
    expect(code).toBe(0);
    expect(output).toContain(
      'Expected one of auto, cuda, metal, vulkan, hip, cpu for LLAMA_NATIVE_GPU but received "rtx"; only the CPU',
    );
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(await sandbox.run("build.mjs", {}, ["--gpu", "rtx"])).toMatchObject({ code: 1 });
  });

  // A machine with a driver of its own, or without these folders, cannot stand for others.
  const canStandIn =
    ["/sys/bus/pci/devices", "/usr/lib64"].every((folder) => existsSync(folder)) &&
    findLibrary("libcuda.so.1") === null;
  describe.runIf(canStandIn)("chosen by what the machine has, which needs the right to mount", () => {
    /** An RTX 3080, and its driver as far as files tell. */
    const machine = (hasDriver: boolean): Mounts => {
      const gpu = join(sandbox.root, "pci", "0000:01:00.0");
      for (const [file, text] of Object.entries({ class: "0x030000", vendor: "0x10de", device: "0x2206" }))
        put(join(gpu, file), `${text}\n`);
      const libraries = join(sandbox.root, "libraries");
      put(join(libraries, "libcuda.so.1"));
      return {
        "/sys/bus/pci/devices": { files: dirname(gpu) },
        ...(hasDriver ? { "/usr/lib64": { files: libraries, beside: true } } : {}),
      };
    };
    const install = async (env: Record<string, string>, mounts: Mounts): Promise<string> => {
      addToolchain(copyAddon);
      const { code, output } = await sandbox.run("install.mjs", env, [], mounts);
      expect({ code, output }).toMatchObject({ code: 0 });
      expect(existsSync(sandbox.addon)).toBe(true);
      expect(sandbox.notBuilt).toBeUndefined();
      return output;
    };

    it("builds for the GPU with its driver and a toolkit", async () => {
      const output = await install(addCuda(), machine(true));
      expect(output).toMatch(/building the addon for cuda \(CUDA 12\.4, architectures 86\)/);
      expect(existsSync(gpuAddon("cuda"))).toBe(true);
    });

    it.each<[string, boolean, boolean, string]>([
      [
        "a driver without a toolkit",
        ...([true, false] as const),
        "there is no CUDA toolkit (no nvcc in CUDA_PATH or on PATH).\nTo get it, install the CUDA toolkit (its nvcc on PATH, or",
      ],
      [
        "a toolkit without a driver",
        ...([false, true] as const),
        "NVIDIA's driver is not installed.\nTo get it, install NVIDIA's driver (it brings libcuda.so.1), then run: npx",
      ],
    ])("with %s builds the CPU's addon and says what is missing", async (_what, hasDriver, hasToolkit, words) => {
      const output = await install(hasToolkit ? addCuda() : {}, machine(hasDriver));
      expect(output).toContain(`llama-native: there is no addon for cuda, because ${words}`);
      expect(existsSync(gpuAddon("cuda"))).toBe(false);
      expect(note("cuda")).toMatchObject({ reason: "missing-tools" });
    });

    it("is silent about a toolkit where there is no GPU", async () => {
      const empty = join(sandbox.root, "nothing");
      mkdirSync(empty);
      const output = await install(addCuda(), { "/sys/bus/pci/devices": { files: empty } });
      expect(output).not.toMatch(/cuda/i);
      expect(existsSync(join(sandbox.dist, "cuda"))).toBe(false);
    });
  });

  it("keeps what it decided about each backend in a log", async () => {
    addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    const log = readFileSync(join(sandbox.cache, "logs", "gpu-decisions.log"), "utf8");
    for (const backend of process.platform === "darwin" ? ["metal"] : ["cuda", "vulkan"]) {
      expect(log).toMatch(new RegExp(`^${backend}: can.* built.*: \\S`, "m"));
    }
  });

  it("builds with spaces and other letters in every path", async () => {
    sandbox.addToolchain(copyAddon);
    const places = {
      LLAMA_NATIVE_CACHE_DIR: join(sandbox.root, "cache für llama"),
      LLAMA_NATIVE_OUT_DIR: join(sandbox.root, "мои addons"),
      LLAMA_NATIVE_SOURCE_DIR: sandbox.addSources("0.5.0", join(sandbox.root, "源 sources")),
    };
    const { code } = await sandbox.run("install.mjs", places);
    expect(code).toBe(0);
    expect(existsSync(join(places.LLAMA_NATIVE_OUT_DIR, "cpu", "llama-native.node"))).toBe(true);
  });
});
