import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { stateOf } from "../../scripts/lib/gpu/decisions.mjs";
import type { GpuDecision } from "../../src/cli/doctor/gpu-facts.js";
import { judgeGpus } from "../../src/cli/doctor/gpu-facts.js";
import { addonPath } from "../../src/native/load-addon.js";
import { run } from "./command.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-doctor-"));
const cache = join(folder, "cache");
mkdirSync(join(cache, "models"), { recursive: true });
writeFileSync(join(cache, "models", "some.gguf"), Buffer.alloc(1_230_000));
const env = { LLAMA_NATIVE_CACHE_DIR: cache };

afterAll(() => rmSync(folder, { recursive: true }));

interface Examination {
  ok: boolean;
  verdict: string;
  addon: { path: string; sizeBytes: number | null; system: object | null; error: { code: string } | null };
  gpus: { backend: string; state: string; reason: string | null; advice: string | null }[];
  toolchain: object;
  build: object;
}

async function examine(changes: Record<string, string>): Promise<Examination & { code: number | null }> {
  const { code, stdout, stderr } = await run(["doctor", "--json"], { env: { ...env, ...changes } });
  expect(stderr).toBe("");
  return { code, ...(JSON.parse(stdout) as Examination) };
}

describe("doctor", () => {
  it("shows what there is and ends with the verdict", async () => {
    const { code, stdout, stderr } = await run(["doctor"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^llama-native +\d+\.\d+\.\d+, for llama\.cpp 0\.5\.0$/m);
    expect(stdout).toContain(process.version);
    expect(stdout).toMatch(/^Addon +\/.*\.node \([\d.]+ MB\)$/m);
    expect(stdout).toMatch(/^CPU features +\S/m);
    expect(stdout).toMatch(/^Devices +CPU \(cpu\): .* [\d.]+ GB free$/m);
    expect(stdout).toMatch(/^Build tools +\S/m);
    expect(stdout).toMatch(
      /^A build +\d+ jobs? \(\d+ cores?, [\d.]+ GB of memory free, 1\.6 GB for each\); [\d.]+ [MGT]B of disk free$/m,
    );
    expect(stdout).toContain(`${cache} (1.23 MB)`);
    expect(stdout).toContain("models  1.23 MB");
    expect(stdout).toMatch(/\nReady: models can be run\.\n$/);
  });

  it("tells programs the same", async () => {
    expect(await examine({})).toMatchObject({
      code: 0,
      ok: true,
      addon: { error: null, system: { devices: [{ name: "CPU" }], kvTypes: expect.any(Array) as string[] } },
      cache: { path: cache, sizeBytes: 1_230_000, entries: [{ name: "models", sizeBytes: 1_230_000 }] },
      toolchain: { cmake: { version: expect.stringContaining("cmake") as string } },
      build: { jobs: expect.any(Number) as number, freeDiskBytes: expect.any(Number) as number, problem: null },
    });
  });

  it("tells who decided how many files a build compiles at once", async () => {
    const { build } = await examine({ LLAMA_NATIVE_JOBS: "3" });
    expect(build).toMatchObject({ jobs: 3, reason: "LLAMA_NATIVE_JOBS" });
  });

  it("says why a GPU's addon is not used", async () => {
    const out = join(folder, "out");
    mkdirSync(join(out, "cpu"), { recursive: true });
    mkdirSync(join(out, "vulkan"));
    copyFileSync(addonPath(), join(out, "cpu", "llama-native.node"));
    const note = { reason: "missing-tools", message: "llama-native: there is no addon for vulkan, because of a test." };
    writeFileSync(join(out, "vulkan", "not-built.json"), JSON.stringify(note));
    const { code, stdout } = await run(["doctor"], { env: { ...env, LLAMA_NATIVE_OUT_DIR: out } });
    expect(code).toBe(0);
    expect(stdout).toContain(`${join(out, "cpu", "llama-native.node")} (`);
    expect(stdout).toMatch(
      /^Not used +vulkan: there is no addon for vulkan, because of a test\.; run `npx .* vulkan`$/m,
    );
  });

  it("tells of each kind of GPU what an install decides by, also where none was asked for", async () => {
    const changes = { CUDA_PATH: join(folder, "no cuda"), VULKAN_SDK: "", LLAMA_NATIVE_GPU: "cpu" };
    const { code, stdout } = await run(["doctor"], { env: { ...env, ...changes } });
    expect(code).toBe(0);
    const backends = process.platform === "darwin" ? ["metal"] : ["cuda", "vulkan"];
    expect(stdout).toMatch(new RegExp(`^GPUs +${backends[0]!}: can.* built.*: \\S`, "m"));
    const { gpus } = await examine(changes);
    expect(gpus.map(({ backend }) => backend)).toEqual(expect.arrayContaining(backends));
    for (const { state, reason } of gpus) expect(`${state}: ${String(reason)}`).toMatch(/^can.* built.*: \S/);
    expect(stdout).not.toContain("gpu-decisions.log");
  });

  it("works without the addon", async () => {
    const { code, stdout } = await run(["doctor"], { env: { ...env, LLAMA_NATIVE_ADDON: "/nonexistent" } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Addon +\/nonexistent \(missing\)$/m);
    expect(stdout).toMatch(/\nModels cannot be run: .*npx llama-native build.*\n$/s);
    expect(await examine({ LLAMA_NATIVE_ADDON: "/nonexistent" })).toMatchObject({
      code: 1,
      ok: false,
      addon: { sizeBytes: null, system: null, error: { code: "NOT_BUILT" } },
    });
  });

  it("works where something else prints in the process that tries the addon", async () => {
    const noisy = join(folder, "noisy.cjs");
    writeFileSync(noisy, 'if (process.execArgv.includes("--eval")) console.log("hello");');
    const { addon } = await examine({ NODE_OPTIONS: `--require ${noisy}` });
    expect([addon.error, addon.system]).toEqual([null, expect.any(Object)]);
  });

  it("works with an addon that cannot be loaded", async () => {
    const damaged = join(folder, "damaged.node");
    writeFileSync(damaged, "nothing to load");
    expect(await examine({ LLAMA_NATIVE_ADDON: damaged })).toMatchObject({
      code: 1,
      ok: false,
      addon: { sizeBytes: 15, system: null, error: { code: "BACKEND_UNAVAILABLE" } },
    });
  });

  it("works without build tools", async () => {
    expect(await examine({ PATH: folder })).toMatchObject({
      code: 0,
      ok: true,
      toolchain: { missing: ["cmake", "compiler", "make"], message: expect.any(String) as string },
    });
  });
});

describe("what doctor advises for more speed", () => {
  const toolkit = "install the CUDA toolkit";
  const cuda: GpuDecision = {
    ...{ backend: "cuda", hasDevice: true, plan: null },
    ...{ reason: "there is no CUDA toolkit", advice: toolkit },
  };
  const vulkan: GpuDecision = { backend: "vulkan", hasDevice: true, plan: {}, reason: "a GPU", advice: null };
  const judge = (decisions: GpuDecision[], inUse?: string, wish = ""): unknown =>
    judgeGpus(decisions, stateOf as (decision: GpuDecision) => string, inUse, wish);
  const build = "run `npx llama-native build --gpu vulkan`";

  it("is the tools of a better backend than that in use", () => {
    expect(judge([cuda, vulkan], "vulkan")).toEqual([
      { backend: "cuda", state: "cannot be built", reason: "there is no CUDA toolkit", advice: toolkit },
      { backend: "vulkan", state: "in use", reason: null, advice: null },
    ]);
  });

  it("is the build of what the install did not build", () => {
    expect(judge([vulkan], "cpu")).toMatchObject([{ state: "can be built", reason: "a GPU", advice: build }]);
    expect(judge([vulkan], undefined, "vulkan")).toMatchObject([{ advice: build }]);
    expect(judge([vulkan], "cpu", "cpu")).toMatchObject([{ advice: `${build}, and do not set LLAMA_NATIVE_GPU=cpu` }]);
  });

  it("is nothing of lesser backends, nor of such without a device", () => {
    const lesser = { ...vulkan, plan: null, advice: "install the Vulkan SDK" };
    expect(judge([cuda, lesser], "cuda")).toMatchObject([{ state: "in use" }, { advice: null }]);
    const elsewhere = { ...vulkan, hasDevice: false };
    expect(judge([elsewhere], "cpu")).toMatchObject([{ state: "can be built, for another machine", advice: null }]);
  });
});

describe("build", () => {
  it("runs the build script and ends as that does", async () => {
    const noTools = { ...env, PATH: folder, LLAMA_NATIVE_OUT_DIR: join(folder, "dist") };
    const { code, stdout } = await run(["build", "--force", "--jobs", "1"], { env: noTools });
    expect(code).toBe(1);
    expect(stdout).toContain("llama-native: the addon was not built, because CMake and a C++17 compiler");
  });

  it("refuses a wrong number of jobs", async () => {
    expect(await run(["build", "--jobs", "many"])).toEqual({
      code: 2,
      stdout: "",
      stderr: 'llama-native: Expected an integer of at least 1 for --jobs but received "many"\n',
    });
  });
});
