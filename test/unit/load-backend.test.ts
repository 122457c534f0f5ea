import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { explainLoadFailure, explainNoDevice } from "../../src/native/backends.js";
import type * as LoadAddon from "../../src/native/load-addon.js";

let dist: string;

beforeEach(() => {
  dist = mkdtempSync(join(tmpdir(), "llama-native-dist-"));
  vi.resetModules();
  vi.stubEnv("LLAMA_NATIVE_ADDON", "");
  vi.stubEnv("LLAMA_NATIVE_GPU", "");
  vi.stubEnv("LLAMA_NATIVE_OUT_DIR", dist);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dist, { recursive: true });
});

/** Nothing is loaded yet in a fresh module. */
async function loader(): Promise<typeof LoadAddon> {
  return await import("../../src/native/load-addon.js");
}

/** A script where the addon would be: its name ends in .node, so that it goes through a folder's index file. */
function build(backend: string, script: string): void {
  const folder = join(dist, backend, "llama-native.node");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.js"), script);
}

const addon = (...types: string[]): string =>
  `exports.systemInfo = () => (${JSON.stringify({ devices: types.map((type) => ({ name: type, type })) })});`;
const failing = (words: string): string => `throw new Error(${JSON.stringify(words)});`;
/** As glibc's loader says it. */
const missing = (library: string): string => `${library}: cannot open shared object file: No such file or directory`;

/** The stamp that a build leaves beside the addon. */
function compiledFor(backend: string, instructionSets?: string): void {
  writeFileSync(join(dist, backend, "build.json"), JSON.stringify({ backend, inputs: { instructionSets } }));
}

describe("auto", () => {
  it("takes the best GPU that has a device", async () => {
    build("cpu", addon("cpu"));
    build("vulkan", addon("gpu", "cpu"));
    build("cuda", addon("gpu", "gpu", "cpu"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ backend: "cuda", passedOver: [], devices: { length: 3 } });
  });

  it("falls back, and keeps the reasons", async () => {
    build("cpu", addon("cpu"));
    build("vulkan", addon("cpu"));
    build("cuda", failing(missing("libcuda.so.1")));
    build("hip", failing(missing("libhipblas.so.2")));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      passedOver: [
        {
          backend: "cuda",
          reason: "NVIDIA's driver is missing (libcuda.so.1)",
          advice: expect.stringContaining("install NVIDIA's driver") as string,
        },
        { backend: "hip", reason: "the ROCm library libhipblas.so.2 is missing" },
        { backend: "vulkan", reason: "it finds no device on this machine" },
      ],
    });
  });

  it("keeps what llama.cpp warned of where there is no device", async () => {
    build("cpu", addon("cpu"));
    const info = { devices: [], backendWarnings: ["ggml_vulkan: No devices found."] };
    build("vulkan", `exports.systemInfo = () => (${JSON.stringify(info)});`);
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      passedOver: [{ reason: "it finds no device on this machine: No devices found.", backend: "vulkan" }],
    });
  });

  it("falls back where an addon fails when it looks for devices", async () => {
    build("cpu", addon("cpu"));
    build("vulkan", `exports.systemInfo = () => { ${failing("The devices cannot be listed: device lost")} };`);
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      passedOver: [{ backend: "vulkan", reason: expect.stringContaining("device lost") as string }],
    });
  });

  it("loads nothing of the others where the CPU is asked for", async () => {
    build("cpu", addon("cpu"));
    build("cuda", failing("touched"));
    vi.stubEnv("LLAMA_NATIVE_GPU", "cpu");
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ backend: "cpu", passedOver: [] });
  });

  it("is the same addon as the one asked for by its name", async () => {
    build("cpu", addon("cpu"));
    const { loadAddon } = await loader();
    expect(loadAddon("auto")).toBe(loadAddon("cpu"));
  });
});

describe("a wish that cannot be met", () => {
  it.each([
    ["is not built", undefined, "its addon is not built; run `npx llama-native build --gpu cuda`"],
    [
      "lacks its driver",
      failing(missing("libcuda.so.1")),
      "NVIDIA's driver is missing (libcuda.so.1); install NVIDIA's",
    ],
    ["lacks its runtime", failing(missing("libcublas.so.12")), "the CUDA library libcublas.so.12 is missing; install"],
    ["has no device", addon("cpu"), "it finds no device on this machine; check that"],
    [
      "is broken",
      failing("invalid ELF header"),
      "its addon cannot be loaded: invalid ELF header; run `npx llama-native build",
    ],
  ])("%s", async (_what, script, message) => {
    build("cpu", addon("cpu"));
    if (script !== undefined) build("cuda", script);
    const { loadAddon } = await loader();
    expect(() => loadAddon("cuda")).toThrow(
      expect.objectContaining({
        code: "BACKEND_UNAVAILABLE",
        message: expect.stringContaining(`The backend cuda cannot be used: ${message}`) as string,
        details: expect.objectContaining({ backend: "cuda" }) as object,
      }),
    );
    expect(loadAddon("auto")).toBe(loadAddon("cpu"));
  });

  it("repeats why the build failed", async () => {
    mkdirSync(join(dist, "cuda"));
    const note = {
      reason: "build-failed",
      message: "llama-native: nvcc said no; run npx llama-native build --gpu cuda",
    };
    writeFileSync(join(dist, "cuda", "not-built.json"), JSON.stringify(note));
    const { loadAddon } = await loader();
    expect(() => loadAddon("cuda")).toThrow("cannot be used: nvcc said no; run npx llama-native build --gpu cuda");
  });

  it("is refused for an addon that LLAMA_NATIVE_ADDON names, too", async () => {
    const file = join(dist, "own.cjs");
    writeFileSync(file, addon("cpu"));
    vi.stubEnv("LLAMA_NATIVE_ADDON", file);
    const { loadAddon, systemInfo } = await loader();
    expect(() => loadAddon("vulkan")).toThrow(expect.objectContaining({ code: "BACKEND_UNAVAILABLE" }));
    expect(systemInfo()).toMatchObject({ backend: "custom" });
  });

  it("is no backend at all", async () => {
    vi.stubEnv("LLAMA_NATIVE_GPU", "rtx");
    const { loadAddon } = await loader();
    expect(() => loadAddon()).toThrow(
      'Expected one of auto, cuda, metal, vulkan, hip, cpu for LLAMA_NATIVE_GPU but received "rtx"',
    );
  });
});

describe("an addon that was compiled for another CPU", () => {
  const onLinux = it.runIf(process.platform === "linux");

  onLinux("is passed over before it is loaded, and names what is missing", async () => {
    build("cpu", addon("cpu"));
    build("cuda", "process.kill(process.pid, 'SIGILL')");
    compiledFor("cuda", "avx1024 amx_test");
    const { loadAddon, systemInfo } = await loader();
    const reason = "its addon was built for another CPU: this one lacks avx1024, amx_test";
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      passedOver: [{ backend: "cuda", reason, advice: "run `npx llama-native build --gpu cuda`" }],
    });
    expect(() => loadAddon("cuda")).toThrow(
      expect.objectContaining({ code: "BACKEND_UNAVAILABLE", message: expect.stringContaining(reason) as string }),
    );
  });

  onLinux("is an error where it is the CPU's, or the one that LLAMA_NATIVE_ADDON names", async () => {
    build("cpu", failing("loaded"));
    compiledFor("cpu", "avx1024");
    const { loadAddon } = await loader();
    const refused = expect.objectContaining({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringContaining("this one lacks avx1024; run `npx llama-native build`") as string,
    }) as Error;
    expect(() => loadAddon()).toThrow(refused);
    vi.stubEnv("LLAMA_NATIVE_ADDON", join(dist, "cpu", "llama-native.node"));
    expect(() => loadAddon("cpu")).toThrow(refused);
  });

  it.each([
    ["is of an older build", undefined],
    ["is for any CPU", ""],
  ])("is loaded as before where it %s", async (_what, list) => {
    build("cpu", addon("cpu"));
    compiledFor("cpu", list);
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ backend: "cpu" });
  });
});

describe("the CPU's addon where it does not load", () => {
  const musl =
    "Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /app/llama-native.node)";

  it.each([
    [
      "on a system with musl",
      musl,
      "it was built for systems with glibc, which this is not (ld-linux-x86-64.so.2 is missing); run `npx llama-native build --force`",
    ],
    [
      "on a system with glibc",
      missing("libc.musl-x86_64.so.1"),
      "it was built for systems with musl, which this is not (libc.musl-x86_64.so.1 is missing); run `npx llama-native build --force`",
    ],
    ["of itself", "invalid ELF header", "invalid ELF header; run `npx llama-native build --force`"],
  ])("says what to do %s", async (_what, words, message) => {
    build("cpu", failing(words));
    const { loadAddon } = await loader();
    expect(() => loadAddon()).toThrow(
      expect.objectContaining({
        code: "BACKEND_UNAVAILABLE",
        message: expect.stringContaining(`cannot be loaded: ${message}`) as string,
      }),
    );
  });

  it("is told of a GPU's too", () => {
    expect(explainLoadFailure("vulkan", musl, () => true).reason).toMatch(/^it was built for systems with glibc/);
  });
});

describe("the causes that systems name", () => {
  const load = (words: string): string => explainLoadFailure("cuda", words, () => true).reason;

  it.each([
    [missing("libcublasLt.so.12"), "the CUDA library libcublasLt.so.12 is missing"],
    [missing("libvulkan.so.1"), "the Vulkan loader is missing (libvulkan.so.1)"],
    [
      "Error loading shared library libcudart.so.13: No such file or directory (needed by llama-native.node)",
      "the CUDA library libcudart.so.13 is missing",
    ],
    ["/lib/libc.so.6: version `GLIBC_2.38' not found", "cannot be loaded: /lib/libc.so.6: version `GLIBC_2.38'"],
  ])("%s", (words, reason) => {
    expect(load(words)).toContain(reason);
  });

  it.each([
    "llama-native.node: undefined symbol: cudaGraphExecUpdate, version libcudart.so.13",
    "/opt/cuda/lib/libcudart.so.13: invalid ELF header",
    "libcublas.so.13: version `libcublas.so.13.2' not found",
  ])("a library that is there is not called missing: %s", (words) => {
    expect(load(words)).toBe(`its addon cannot be loaded: ${words}`);
  });
});

describe("a library that Windows does not name", () => {
  const inNode = "The specified module could not be found.\r\n\\\\?\\C:\\app\\native\\dist\\cuda\\llama-native.node";
  const inPackage = "The backend cuda cannot be loaded: error 126";
  const load = (backend: "cuda" | "vulkan" | "cpu", words: string, ...there: string[]): string =>
    explainLoadFailure(backend, words, (library) => there.includes(library)).reason;

  it.each([inNode, inPackage])("is looked for: %j", (words) => {
    expect(load("cuda", words)).toBe("NVIDIA's driver is missing (nvcuda.dll)");
    expect(load("vulkan", words, "nvcuda.dll")).toBe("the Vulkan loader is missing (vulkan-1.dll)");
  });

  it("is one of CUDA's where the driver is there", () => {
    expect(load("cuda", inPackage, "nvcuda.dll")).toContain("of those of CUDA (cudart64_*.dll, cublas64_*.dll)");
  });

  it("is told by the system's words where nothing better is known", () => {
    expect(load("vulkan", inNode, "vulkan-1.dll")).toBe(`its addon cannot be loaded: ${inNode}`);
    expect(load("cpu", inPackage)).toBe(`its addon cannot be loaded: ${inPackage}`);
    // Another error than that of a module which is not there.
    expect(load("cuda", "The backend cuda cannot be loaded: error 1260")).toContain("its addon cannot be loaded");
  });
});

describe("a CUDA addon without a device", () => {
  const insufficient =
    "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA runtime version";
  const none = (warning: string, hasDriver: boolean): string => {
    const { reason, advice } = explainNoDevice("cuda", [warning], () => hasDriver);
    return `${reason}; ${advice}`;
  };

  it("lacks a driver, which CUDA calls too old", () => {
    expect(none(insufficient, false)).toMatch(/^NVIDIA's driver is missing \((libcuda\.so\.1|nvcuda\.dll)\); install/);
  });

  it("has one that is too old", () => {
    expect(none(insufficient, true)).toMatch(/^NVIDIA's driver is too old for the CUDA runtime .*; install a newer/);
  });

  it("has a driver without a GPU, or one that fails", () => {
    const init = "ggml_cuda_init: failed to initialize CUDA: ";
    expect(none(`${init}no CUDA-capable device is detected`, true)).toMatch(/^NVIDIA's driver finds no GPU; check/);
    expect(none(`${init}unknown error`, true)).toMatch(/^NVIDIA's driver fails: unknown error; check/);
  });

  it("fails while it looks for devices", () => {
    const failed = (words: string): string => {
      const message = `The devices cannot be listed: CUDA error: ${words};   current device: 0, in function f`;
      return explainLoadFailure("cuda", message, () => true).reason;
    };
    expect(failed("out of memory")).toBe("the GPU has no memory left");
    expect(failed("unspecified launch failure")).toBe("NVIDIA's driver fails: unspecified launch failure");
  });

  it("has ROCm without a GPU, or with a driver that fails", () => {
    const said = (words: string): unknown =>
      explainNoDevice("hip", [`ggml_cuda_init: failed to initialize ROCm: ${words}`]);
    expect(said("no ROCm-capable device is detected")).toEqual({
      backend: "hip",
      reason: "AMD's driver finds no GPU",
      advice: expect.stringMatching(/^check that rocminfo lists one and that this user may open \/dev\/kfd \(/),
    });
    expect(said("invalid device ordinal")).toMatchObject({ reason: "AMD's driver fails: invalid device ordinal" });
    const message = "The devices cannot be listed: ROCm error: out of memory;   current device: 0, in function f";
    expect(explainLoadFailure("hip", message).reason).toBe("the GPU has no memory left");
  });

  it("was compiled for other GPUs, of NVIDIA's or AMD's", () => {
    const lacks = (gpu: string): string => `has_kernels: there are no kernels for ${gpu}`;
    const [old, older] = [
      "GTX 960 (compute capability 5.2): invalid device function",
      "K80 (compute capability 3.7): the same",
    ];
    expect(explainNoDevice("cuda", [lacks(old), lacks(older)], () => true)).toEqual({
      backend: "cuda",
      reason: `its addon has no kernels for ${old}, ${older}`,
      advice: "update its driver, or run `npx llama-native build --gpu cuda --force`",
    });
    expect(explainNoDevice("hip", [lacks("AMD Radeon RX 480 (gfx803)")], () => false)).toMatchObject({
      reason: "its addon has no kernels for AMD Radeon RX 480 (gfx803)",
      advice: "update its driver, or run `npx llama-native build --gpu hip --force`",
    });
  });

  it("said nothing", () => {
    expect(explainNoDevice("cuda").reason).toBe("it finds no device on this machine");
  });
});
