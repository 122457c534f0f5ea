import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { readCompiler, readMscVersion } from "../../scripts/lib/compilers.mjs";
import type { BuildTools } from "../../scripts/lib/gpu/choose.mjs";
import { betterOnes, chooseAutomatically, decide, decideAll, diskProblem } from "../../scripts/lib/gpu/choose.mjs";
import { decideHere } from "../../scripts/lib/gpu/decisions.mjs";
import type { GpuFacts } from "../../scripts/lib/gpu/facts.mjs";
import { freeDisk, gatherGpuFacts } from "../../scripts/lib/gpu/facts.mjs";
import { nvidiaArchitecture } from "../../scripts/lib/gpu/nvidia-architectures.mjs";
import { findGpus } from "../../scripts/lib/gpu/pci.mjs";
import { GPU_BACKENDS, GPU_CHOICES } from "../../scripts/lib/settings.mjs";
import { gpuBackends, gpuChoices } from "../../src/native/backends.js";

const withCompiler = (version: string, changes: Partial<BuildTools> = {}): BuildTools => ({
  compiler: readCompiler(version),
  compilerPath: "/usr/bin/c++",
  mscVersion: null,
  cmake: "3.25.1",
  ...changes,
});
const gcc12 = withCompiler("c++ (Debian 12.2.0-14+deb12u1) 12.2.0");

/** A Linux machine with every tool and nothing to use it on. */
function machine(changes: Partial<GpuFacts> = {}): GpuFacts {
  return {
    platform: "linux",
    arch: "x64",
    gpus: { nvidia: [], amdTargets: [], hasAmd: false, hasRenderNode: false },
    nvidiaDriver: null,
    amdDriver: false,
    vulkanDrivers: [],
    cuda: {
      root: "/cuda",
      nvcc: "/cuda/bin/nvcc",
      version: "12.4",
      hasBlas: true,
      canLinkDriver: true,
      newestGcc: 13,
      clangBelow: 18,
      msc: { first: 1910, end: 1940 },
    },
    vulkan: {
      glslc: "/usr/bin/glslc",
      includeDir: "/usr/include",
      headers: "1.4.309",
      loader: "/usr/lib/libvulkan.so",
      hasSpirvHeaders: true,
    },
    rocm: { root: "/opt/rocm", version: "6.3.1", hasBlas: true },
    gccVersions: [],
    freeDiskBytes: 100e9,
    ...changes,
  };
}

const rtx3090 = { device: 0x2204, architecture: "86" };
const withNvidia = (changes: Partial<GpuFacts> = {}): GpuFacts =>
  machine({
    gpus: { nvidia: [rtx3090], amdTargets: [], hasAmd: false, hasRenderNode: true },
    nvidiaDriver: "550.54.14",
    ...changes,
  });
const cudaOf = (changes: Partial<NonNullable<GpuFacts["cuda"]>>): GpuFacts["cuda"] => {
  const { cuda } = machine();
  return cuda && { ...cuda, ...changes };
};

it("knows the same backends as the library", () => {
  expect([GPU_BACKENDS, GPU_CHOICES]).toEqual([gpuBackends, gpuChoices]);
});

describe("CUDA", () => {
  it("is compiled for this machine's GPUs only", () => {
    const decision = decide("cuda", withNvidia(), gcc12);
    expect(decision).toMatchObject({ hasDevice: true, advice: null });
    expect(decision.plan?.settings).toEqual([
      "-DCMAKE_CUDA_COMPILER=/cuda/bin/nvcc",
      "-DCMAKE_CUDA_ARCHITECTURES=86",
      // nvcc by itself would run another than the one that was looked at.
      "-DCMAKE_CUDA_HOST_COMPILER=/usr/bin/c++",
    ]);
    expect(decision.reason).toBe("NVIDIA GPU (driver 550.54.14), CUDA 12.4, architectures 86");
  });

  it.each([
    ["12.8", "61-virtual;75-virtual;80-virtual;86-real;89-real;120-real"],
    ["12.4", "61-virtual;75-virtual;80-virtual;86-real;89-real"],
    ["13.0", "75-virtual;80-virtual;86-real;89-real;120-real"],
  ])("is released by CUDA %s for all GPUs that it compiles for, whichever this machine has", (version, list) => {
    for (const facts of [withNvidia(), machine()]) {
      const settings = decide("cuda", { ...facts, cuda: cudaOf({ version }) }, gcc12, true).plan?.settings;
      expect(settings).toContain(`-DCMAKE_CUDA_ARCHITECTURES=${list}`);
      expect(settings).toContain("-DGGML_CUDA_NCCL=OFF");
    }
  });

  it("lets CMake ask the driver about a GPU that is newer than the list", () => {
    const nvidia = [{ device: 0x9999, architecture: null }];
    const gpus = { nvidia, amdTargets: [], hasAmd: false, hasRenderNode: true };
    expect(decide("cuda", withNvidia({ gpus }), gcc12).plan?.settings).toContain("-DCMAKE_CUDA_ARCHITECTURES=native");
    const { plan, reason } = decide("cuda", withNvidia({ gpus }), { ...gcc12, cmake: "3.22.1" });
    expect(plan?.settings.filter((setting) => setting.includes("ARCHITECTURES"))).toEqual([]);
    expect(reason).toContain("CUDA 12.4, ggml's own list of architectures");
    expect(decide("cuda", withNvidia(), { ...gcc12, cmake: "3.22.1" }).plan?.settings).toContain(
      "-DCMAKE_CUDA_ARCHITECTURES=86",
    );
  });

  it.each([
    [0x1340, "50"], // 830M
    [0x13c2, "52"], // GTX 970
    [0x1617, "52"], // GTX 980M
    [0x174d, "50"], // MX130
    [0x174e, "50"], // MX110
    [0x179c, "50"], // 940MX
    [0x17c2, "52"], // Titan X
  ])("knows the architecture of Maxwell's chip %i", (device, architecture) => {
    expect(nvidiaArchitecture(device)).toBe(architecture);
  });

  it("does without the driver's memory functions where there is no driver to link with", () => {
    const facts = withNvidia({ cuda: cudaOf({ canLinkDriver: false }) });
    expect(decide("cuda", facts, gcc12).plan?.settings).toContain("-DGGML_CUDA_NO_VMM=ON");
  });

  it.each<[string, GpuFacts, string, string | null]>([
    ["driver without toolkit", withNvidia({ cuda: null }), "there is no CUDA toolkit", "install the CUDA toolkit"],
    [
      "toolkit without driver",
      withNvidia({ nvidiaDriver: null }),
      "NVIDIA's driver is not installed",
      "install NVIDIA's",
    ],
    ["toolkit without GPU", machine(), "this machine has no NVIDIA GPU", null],
    [
      "half a toolkit",
      withNvidia({ cuda: cudaOf({ version: "unknown" }) }),
      "it has no cuda.h",
      "install the CUDA toolkit",
    ],
    ["no cuBLAS", withNvidia({ cuda: cudaOf({ hasBlas: false }) }), "has no cuBLAS", "install cuBLAS"],
    [
      "an ancient toolkit",
      withNvidia({ cuda: cudaOf({ version: "10.2" }) }),
      "CUDA 10.2 is too old: 11.1",
      "install the CUDA",
    ],
    ["a full disk", withNvidia({ freeDiskBytes: 1e9 }), "4.0 GB of disk, but only 1.0 GB are free", "free some disk"],
  ])("says what is wrong with %s", (_what, facts, reason, advice) => {
    const decision = decide("cuda", facts, gcc12);
    expect(decision.reason).toContain(reason);
    if (advice === null) expect(decision.advice).toBeNull();
    else expect(decision.advice).toContain(advice);
    expect(chooseAutomatically([decision])).toBeNull();
  });

  it.each([
    ["11.0.3", 0x2684, "CUDA 11.0.3 is too old"],
    ["11.4", 0x2684, "CUDA 11.4 cannot compile for this GPU (architecture 89): CUDA 11.8 is the first that can"],
    ["12.4", 0x2b85, "CUDA 12.4 cannot compile for this GPU (architecture 120): CUDA 12.8 is the first that can"],
    ["13.0", 0x1b80, "CUDA 13.0 compiles no more for this GPU (architecture 61): take a toolkit before CUDA 13.0"],
  ])("CUDA %s and GPU %i do not fit", (version, device, reason) => {
    const nvidia = [{ device, architecture: nvidiaArchitecture(device) }];
    const gpus = { nvidia, amdTargets: [], hasAmd: false, hasRenderNode: true };
    const decision = decide("cuda", withNvidia({ gpus, cuda: cudaOf({ version }) }), gcc12);
    expect(decision.plan).toBeNull();
    expect(decision.reason).toContain(reason);
  });

  it("an old GPU beside a newer one is left out, and said", () => {
    const nvidia = [0x1b80, 0x2206].map((device) => ({ device, architecture: nvidiaArchitecture(device) }));
    const gpus = { nvidia, amdTargets: [], hasAmd: false, hasRenderNode: true };
    const decision = decide("cuda", withNvidia({ gpus, cuda: cudaOf({ version: "13.0" }) }), gcc12);
    expect(decision.plan?.settings).toContain("-DCMAKE_CUDA_ARCHITECTURES=86");
    expect(decision.reason).toContain("; CUDA 13.0 compiles no more for this GPU (architecture 61)");
    expect(decision.advice).toBe("install a toolkit that fits the GPU");
    expect(chooseAutomatically([decision])).toBe(decision);
  });

  it("an old GPU beside one of no known architecture is refused, as CMake would compile for both", () => {
    const nvidia = [
      { device: 0x1b80, architecture: "61" },
      { device: 0xffff, architecture: null },
    ];
    const gpus = { nvidia, amdTargets: [], hasAmd: false, hasRenderNode: true };
    expect(decide("cuda", withNvidia({ gpus, cuda: cudaOf({ version: "13.0" }) }), gcc12).plan).toBeNull();
  });

  it("refuses a host compiler that the toolkit does not accept, or takes an older one", () => {
    const gcc14 = withCompiler("g++ (Ubuntu 14.2.0-4ubuntu2) 14.2.0");
    const refused = decide("cuda", withNvidia(), gcc14);
    expect(refused).toMatchObject({ plan: null, reason: "CUDA 12.4 does not accept GCC 14, only up to 13" });
    expect(refused.advice).toBe("install g++-13, or a newer CUDA toolkit");
    const helped = decide("cuda", withNvidia({ gccVersions: [11, 13, 14] }), gcc14);
    expect(helped.plan?.settings).toContain("-DCMAKE_CUDA_HOST_COMPILER=g++-13");
    const clang = withCompiler("Ubuntu clang version 18.1.3 (1ubuntu1)");
    expect(decide("cuda", withNvidia(), clang).reason).toBe("CUDA 12.4 does not accept Clang 18, only up to 17");
  });

  describe("on Windows", () => {
    const windows = (): GpuFacts => machine({ platform: "win32", nvidiaDriver: "unknown" });
    const msvc = (mscVersion: number | null): BuildTools =>
      withCompiler("Visual Studio 17.9.34728.123", { compilerPath: "C:\\VS", mscVersion });

    it("takes the toolkit that was found, and Visual Studio's own compiler", () => {
      expect(decide("cuda", windows(), msvc(1939)).plan?.settings).toEqual([
        "-DCMAKE_CUDA_COMPILER=/cuda/bin/nvcc",
        "-Tcuda=/cuda",
        "-DCMAKE_CUDA_ARCHITECTURES=native",
      ]);
      expect(decide("cuda", windows(), msvc(null)).plan).not.toBeNull();
    });

    it.each([
      [1940, "14.40", "install a newer CUDA toolkit"],
      [1900, "14.00", "update Visual Studio"],
    ])("refuses a compiler that the toolkit does not accept: %i", (mscVersion, name, advice) => {
      expect(decide("cuda", windows(), msvc(mscVersion))).toMatchObject({
        plan: null,
        reason: `CUDA 12.4 does not accept Visual Studio's compiler ${name}, only 14.10 to 14.39`,
        advice,
      });
    });
  });
});

describe("Vulkan", () => {
  const gpus = { nvidia: [], amdTargets: [], hasAmd: true, hasRenderNode: true };
  const vulkanDrivers = ["/usr/share/vulkan/icd.d/radeon_icd.x86_64.json"];

  it("needs a device, its driver, and tools that are new enough", () => {
    const facts = machine({ gpus, vulkanDrivers });
    expect(decide("vulkan", facts, gcc12)).toMatchObject({ hasDevice: true, advice: null });
    expect(decide("vulkan", machine(), gcc12)).toMatchObject({ hasDevice: false, advice: null });
    expect(decide("vulkan", machine({ gpus }), gcc12)).toMatchObject({
      hasDevice: false,
      reason: "the GPU has no Vulkan driver",
    });
    const old = decide("vulkan", { ...facts, vulkan: { ...facts.vulkan, headers: "1.3.239" } }, gcc12);
    expect(old).toMatchObject({
      plan: null,
      reason: "Vulkan's headers 1.3.239 are too old: 1.3.272 or newer are needed",
    });
    const bare = { glslc: null, includeDir: null, headers: null, loader: null, hasSpirvHeaders: false };
    const none = decide("vulkan", { ...facts, vulkan: bare }, gcc12);
    expect(none.reason).toContain("the shader compiler glslc are missing");
    expect(none.advice).toContain("VULKAN_SDK");
  });

  it("needs the loader that drivers bring on Windows", () => {
    const windows = machine({ platform: "win32" });
    expect(decide("vulkan", windows, gcc12)).toMatchObject({
      hasDevice: false,
      reason: "no driver of a GPU has brought Vulkan (there is no vulkan-1.dll)",
      advice: null,
    });
    const vulkanDrivers = ["C:\\Windows\\System32\\vulkan-1.dll"];
    expect(decide("vulkan", { ...windows, vulkanDrivers }, gcc12)).toMatchObject({ hasDevice: true });
  });
});

describe("HIP and Metal", () => {
  it("HIP is compiled for this machine's GPUs", () => {
    const gpus = { nvidia: [], amdTargets: ["gfx1100"], hasAmd: true, hasRenderNode: true };
    const decision = decide("hip", machine({ gpus, amdDriver: true }), gcc12);
    expect(decision.plan?.settings).toEqual(["-DGPU_TARGETS=gfx1100"]);
    // Here too where it has none, or for a package, since AMD's compilers have no list of their own.
    const several = ["-DGPU_TARGETS=gfx906;gfx908;gfx90a;gfx942;gfx1030;gfx1100;gfx1101;gfx1102"];
    expect(decide("hip", machine(), gcc12).plan?.settings).toEqual(several);
    expect(decide("hip", machine({ gpus, amdDriver: true }), gcc12, true).plan?.settings).toEqual(several);
    const rocm = { root: "/opt/rocm", version: "6.4.1", hasBlas: true };
    expect(decide("hip", machine({ rocm }), gcc12).plan?.settings[0]).toMatch(/;gfx1102;gfx1150;.*;gfx1201$/);
    const old = machine({ gpus, amdDriver: true, rocm: { root: "/opt/rocm", version: "5.7.1", hasBlas: true } });
    expect(decide("hip", old, gcc12)).toMatchObject({
      plan: null,
      reason: "ROCm 5.7.1 is too old: 6.1 or newer is needed",
    });
  });

  it("Metal is for Apple's own processors", () => {
    const decisions = (arch: string) => decideAll(machine({ platform: "darwin", arch }), gcc12);
    expect(decisions("arm64")).toMatchObject([{ backend: "metal", hasDevice: true }]);
    expect(decisions("x64")).toMatchObject([{ backend: "metal", hasDevice: false, plan: null }]);
  });
});

describe("the choice", () => {
  it("is the best backend with a device", () => {
    const vulkanDrivers = ["/etc/vulkan/icd.d/nvidia_icd.json"];
    const best = (facts: GpuFacts) => chooseAutomatically(decideAll(facts, gcc12))?.backend ?? null;
    expect(best(withNvidia({ vulkanDrivers }))).toBe("cuda");
    expect(best(withNvidia({ vulkanDrivers, cuda: null }))).toBe("vulkan");
    expect(best(machine())).toBeNull();
  });

  it("tells of a better backend what is missing for it", () => {
    const missed = (facts: GpuFacts) => {
      const decisions = decideAll(facts, gcc12);
      return betterOnes(decisions, chooseAutomatically(decisions)).map(({ backend, advice }) => [backend, advice]);
    };
    const vulkanDrivers = ["/etc/vulkan/icd.d/nvidia_icd.json"];
    const toolkit = ["cuda", expect.stringContaining("install the CUDA toolkit") as string];
    expect(missed(withNvidia({ vulkanDrivers, cuda: null }))).toEqual([toolkit]);
    expect(missed(withNvidia({ vulkanDrivers }))).toEqual([]);
    // Nothing is chosen: what is missing for any.
    expect(missed(withNvidia({ cuda: null }))).toEqual([toolkit, ["vulkan", expect.any(String) as string]]);
  });

  it("leaves room on the disk", () => {
    expect(diskProblem("cpu", 1e9)).toBeNull();
    expect(diskProblem("cpu", 0.1e9)).toBe("the build takes up to 0.4 GB of disk, but only 0.1 GB are free");
    expect(diskProblem("cpu", Infinity)).toBeNull();
  });
});

describe("the facts", () => {
  let root: string;
  const put = (path: string, text = ""): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o755 });
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "llama-native-gpus "));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it("are the GPUs that the system lists", () => {
    expect(findGpus(root)).toEqual({ nvidia: [], amdTargets: [], hasAmd: false, hasRenderNode: false });
    const devices: Record<string, [string, string, string]> = {
      "0000:00:02.0": ["0x030000", "0x8086", "0x9a49"],
      "0000:01:00.0": ["0x030200", "0x10de", "0x2330"],
      "0000:02:00.0": ["0x030000", "0x1002", "0x744c"],
      "0000:03:00.0": ["0x020000", "0x10de", "0x2684"], // a network card
    };
    for (const [name, [kind, vendor, device]] of Object.entries(devices)) {
      put(`sys/bus/pci/devices/${name}/class`, `${kind}\n`);
      put(`sys/bus/pci/devices/${name}/vendor`, `${vendor}\n`);
      put(`sys/bus/pci/devices/${name}/device`, `${device}\n`);
    }
    put("sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 16\ngfx_target_version 0\n");
    put("sys/class/kfd/kfd/topology/nodes/1/properties", "simd_count 192\ngfx_target_version 110000\n");
    put("sys/class/kfd/kfd/topology/nodes/2/properties", "gfx_target_version 90010\n");
    put("dev/dri/renderD128");
    expect(findGpus(root)).toEqual({
      nvidia: [{ device: 0x2330, architecture: "90" }],
      amdTargets: ["gfx1100", "gfx90a"],
      hasAmd: true,
      hasRenderNode: true,
    });
  });

  it("are no room on a disk that cannot be asked, which is left to the build", () => {
    const missingDrive = (path: string): never => {
      throw Object.assign(new Error(`ENOENT: no such file or directory, statfs '${path}'`), { syscall: "statfs" });
    };
    expect(freeDisk(join(root, "not", "there"), missingDrive)).toBe(Infinity);
    expect(freeDisk(join(root, "not", "there"), () => ({ bavail: 3, bsize: 4096 }))).toBe(12288);
    expect(freeDisk(join(root, "not", "there"))).toBeGreaterThan(0);
  });

  it("are what the toolkits' own files say, and nothing is run", () => {
    const trap = `#!/bin/sh\ntouch "${root}/was-run"\n`;
    put("cuda/bin/nvcc", trap);
    put("cuda/include/cuda.h", "#define CUDA_VERSION 12040\n");
    put("cuda/include/cublas_v2.h");
    put("cuda/lib64/stubs/libcuda.so");
    put(
      "cuda/include/crt/host_config.h",
      `#error -- unsupported GNU version! gcc versions later than 13 are not supported!
#error -- unsupported clang version! clang version must be less than 18 and greater than 3.2 .
#if _MSC_VER < 1910 || _MSC_VER >= 1940
#error -- unsupported Microsoft Visual Studio version! Only the versions between 2017 and 2022 (inclusive) are supported!`,
    );
    put("sdk/bin/glslc", trap);
    put(
      "sdk/include/vulkan/vulkan_core.h",
      `#define VK_HEADER_VERSION 309
#define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, 4, VK_HEADER_VERSION)`,
    );
    put("sdk/share/cmake/SPIRV-Headers/SPIRV-HeadersConfig.cmake");
    put("usr/lib/libvulkan.so");
    put("usr/lib/libcuda.so.1");
    put("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n");
    put("usr/share/vulkan/icd.d/lvp_icd.x86_64.json");
    const env = { CUDA_PATH: join(root, "cuda"), VULKAN_SDK: join(root, "sdk"), PATH: "" };
    expect(gatherGpuFacts(env, join(root, "not", "there"), root)).toMatchObject({
      nvidiaDriver: "550.54.14",
      vulkanDrivers: [], // lavapipe computes on the CPU
      cuda: {
        ...{ version: "12.4", hasBlas: true, canLinkDriver: true, newestGcc: 13, clangBelow: 18 },
        msc: { first: 1910, end: 1940 },
      },
      vulkan: { glslc: join(root, "sdk/bin/glslc"), headers: "1.4.309", hasSpirvHeaders: true },
      rocm: null,
      freeDiskBytes: expect.any(Number) as number,
    });
    expect(() => gatherGpuFacts({ PATH: "" }, root, root)).not.toThrow();
    expect(existsSync(join(root, "was-run"))).toBe(false);
  });

  describe("of the toolkit", () => {
    const addToolkit = (name: string, version: number): string => {
      put(`${name}/bin/nvcc`);
      put(`${name}/include/cuda.h`, `#define CUDA_VERSION ${version}\n`);
      return realpathSync(join(root, name));
    };
    const toolkit = (env: Record<string, string>): unknown => {
      const { cuda } = gatherGpuFacts({ PATH: "", ...env }, root, root);
      return cuda && { root: cuda.root, version: cuda.version };
    };

    it("are of the nvcc that is named first and is there, and of no other", () => {
      const named = addToolkit("named", 12060);
      const home = addToolkit("home", 12040);
      const onPath = addToolkit("on-path", 11080);
      const usual = addToolkit("usr/local/cuda", 13000);
      const env = { CUDACXX: join(named, "bin/nvcc"), CUDA_PATH: home, PATH: join(onPath, "bin") };
      expect(toolkit(env)).toEqual({ root: named, version: "12.6" });
      expect(toolkit({ ...env, CUDACXX: "" })).toEqual({ root: home, version: "12.4" });
      // What is named is not there.
      const gone = { CUDACXX: join(root, "gone/nvcc"), CUDA_PATH: join(root, "gone") };
      expect(toolkit({ ...env, ...gone })).toEqual({ root: onPath, version: "11.8" });
      expect(toolkit(gone)).toEqual({ root: usual, version: "13.0" });
    });

    it("are where the nvcc lies that a link leads to", () => {
      const home = addToolkit("opt/cuda-12.4", 12040);
      mkdirSync(join(root, "bin"));
      symlinkSync(join(home, "bin/nvcc"), join(root, "bin/nvcc"));
      expect(toolkit({ PATH: join(root, "bin") })).toEqual({ root: home, version: "12.4" });
    });
  });

  it("are of ROCm what AMD's packages say, or its header where a distribution made them", () => {
    put("usr/bin/hipcc");
    put("usr/include/hip/hip_version.h", "#define HIP_VERSION_MAJOR 6\n#define HIP_VERSION_MINOR 4\n");
    put("usr/include/hipblas/hipblas.h");
    put("usr/include/rocblas/rocblas.h");
    const rocm = (): unknown => gatherGpuFacts({ PATH: join(root, "usr/bin") }, root, root).rocm;
    expect(rocm()).toEqual({ root: join(root, "usr"), version: "6.4", hasBlas: true });
    put("usr/.info/version", "6.4.1-83\n");
    expect(rocm()).toMatchObject({ version: "6.4.1" });
    put("usr/.info/version");
    put("usr/include/hip/hip_version.h");
    expect(rocm()).toMatchObject({ version: "unknown" });
  });

  it("are the libraries that drivers bring on Windows", () => {
    const facts = (): unknown => {
      const { nvidiaDriver, vulkanDrivers } = gatherGpuFacts({ PATH: "", SystemRoot: root }, root, root, "win32");
      return { nvidiaDriver, vulkanDrivers };
    };
    put("usr/lib/libcuda.so.1");
    put("usr/share/vulkan/icd.d/radeon_icd.x86_64.json");
    expect(facts()).toEqual({ nvidiaDriver: null, vulkanDrivers: [] });
    put("System32/nvcuda.dll");
    put("System32/vulkan-1.dll");
    expect(facts()).toEqual({ nvidiaDriver: "unknown", vulkanDrivers: [join(root, "System32", "vulkan-1.dll")] });
  });

  it("are which compiler Visual Studio uses by default", () => {
    expect(readMscVersion(root)).toBeNull();
    put("VC/Auxiliary/Build/Microsoft.VCToolsVersion.default.txt", "14.39.33519\r\n");
    expect(readMscVersion(root)).toBe(1939);
  });

  it.runIf(process.platform === "linux")("are the compiler that CUDAHOSTCXX names, as CMake has it", () => {
    const compiler = (name: string, version: string): string => {
      put(`bin/${name}`, `#!/bin/sh\necho "${name} (GCC) ${version}"\n`);
      return join(root, "bin", name);
    };
    const usual = compiler("c++", "12.2.0");
    for (const name of ["cc", "ninja", "cmake"]) compiler(name, "3.30.0");
    put("cuda/bin/nvcc");
    put("cuda/include/cuda.h", "#define CUDA_VERSION 12040\n");
    put("cuda/include/cublas_v2.h");
    put("cuda/include/crt/host_config.h", "gcc versions later than 13 are not supported!");
    const env = { PATH: join(root, "bin"), CUDA_PATH: join(root, "cuda"), LLAMA_NATIVE_CACHE_DIR: root };
    const cuda = (more: Record<string, string>): unknown =>
      decideHere({ ...env, ...more }).find(({ backend }) => backend === "cuda")?.plan?.settings;
    const named = compiler("g++-11", "11.4.0");
    expect(cuda({})).toContain(`-DCMAKE_CUDA_HOST_COMPILER=${usual}`);
    expect(cuda({ CUDAHOSTCXX: named })).toContain(`-DCMAKE_CUDA_HOST_COMPILER=${named}`);
    expect(cuda({ CUDAHOSTCXX: compiler("g++-15", "15.1.0") })).toContain("-DCMAKE_CUDA_HOST_COMPILER=g++-11");
  });
});

it.each([
  ["g++ (Debian 12.2.0-14+deb12u1) 12.2.0", "gcc", 12],
  ["Ubuntu clang version 18.1.3 (1ubuntu1)", "clang", 18],
  ["Apple clang version 15.0.0 (clang-1500.3.9.4)", "clang", 15],
  ["Visual Studio 17.9.34728.123", "msvc", 17],
  ["x86_64-conda-linux-gnu-c++ (conda-forge gcc 13.3.0-1) 13.3.0", "gcc", 13],
])("reads %s", (line, name, major) => {
  expect(readCompiler(line)).toEqual({ name, major });
});
