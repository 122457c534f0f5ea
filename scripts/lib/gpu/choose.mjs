// Decides which GPU backends can be built here, and which is. Pure functions of `GpuFacts`; each decision is one line
// of the log.

import { GPU_BACKENDS } from "../settings.mjs";
import { compareVersions, toolkitProblem } from "./nvidia-architectures.mjs";

/** ggml's code needs VK_EXT_layer_settings, which these headers brought. */
const MIN_VULKAN_HEADERS = "1.3.272";
const MIN_ROCM = "6.1";
const MIN_CUDA = "11.1";
/** That can ask the driver which GPU there is (`CMAKE_CUDA_ARCHITECTURES=native`). */
const MIN_CMAKE_TO_ASK = "3.24";
/** For a machine to come, where this one has no GPU: drivers compile the virtual ones for what they find. */
const NO_GPU_ARCHITECTURES = "75-virtual;80-virtual;86-real";
/** For all machines that a package may come to, of which the toolkit compiles for some. */
const RELEASED_ARCHITECTURES = ["61-virtual", "75-virtual", "80-virtual", "86-real", "89-real", "120-real"];
/** The same of AMD's, with code for each, as there is none in between; by the first ROCm that compiles for them. */
const AMD_TARGETS = [
  { rocm: MIN_ROCM, targets: ["gfx906", "gfx908", "gfx90a", "gfx942", "gfx1030", "gfx1100", "gfx1101", "gfx1102"] },
  { rocm: "6.4", targets: ["gfx1150", "gfx1151", "gfx1200", "gfx1201"] },
];
/** What a build folder takes, with room to spare. @type {Record<import("../settings.mjs").Backend, number>} */
const DISK_BYTES = { cpu: 0.4e9, metal: 0.5e9, vulkan: 1e9, cuda: 4e9, hip: 4e9 };

/**
 * @typedef {import("./facts.mjs").GpuFacts} GpuFacts
 * @typedef {import("../settings.mjs").GpuBackend} GpuBackend
 *
 * @typedef {object} BuildTools
 * @property {import("../compilers.mjs").HostCompiler} compiler that nvcc is to hand the C++ parts to
 * @property {string | null} compilerPath of Visual Studio its folder; null where there is no compiler
 * @property {number | null} mscVersion `_MSC_VER` of Visual Studio's, where it is known
 * @property {string | null} cmake version; null where there is none
 *
 * @typedef {object} GpuPlan what to give CMake
 * @property {string[]} settings
 * @property {string} toolkit one line: what it is built with, and for which GPUs
 *
 * @typedef {object} GpuDecision
 * @property {GpuBackend} backend
 * @property {boolean} hasDevice whether this machine has a device for it, with its driver
 * @property {GpuPlan | null} plan null where it cannot be built here
 * @property {string} reason why, one line
 * @property {string | null} advice what would make it possible or faster, where something would
 */

/**
 * One decision for each backend that this platform can have, the best first.
 * @param {GpuFacts} facts
 * @param {BuildTools} tools
 * @param {boolean} [forRelease] whether to build for any machine's GPUs, whichever this one has
 * @returns {GpuDecision[]}
 */
export function decideAll(facts, tools, forRelease = false) {
  return GPU_BACKENDS.filter((backend) => existsOn(backend, facts.platform)).map((backend) =>
    decide(backend, facts, tools, forRelease),
  );
}

/**
 * What `auto` builds beside the CPU's addon: the best backend with a device.
 * @param {GpuDecision[]} decisions
 * @returns {GpuDecision | null}
 */
export function chooseAutomatically(decisions) {
  return decisions.find(({ hasDevice, plan }) => hasDevice && plan !== null) ?? null;
}

/**
 * Those better than the one that is chosen of which this machine has a GPU that could be used, if only something were done.
 * @param {GpuDecision[]} decisions
 * @param {GpuDecision | null} chosen
 */
export function betterOnes(decisions, chosen) {
  const before = chosen === null ? decisions : decisions.slice(0, decisions.indexOf(chosen));
  return before.filter(({ advice }) => advice !== null);
}

/**
 * @param {GpuBackend} backend
 * @param {GpuFacts} facts
 * @param {BuildTools} tools
 * @param {boolean} [forRelease]
 * @returns {GpuDecision}
 */
export function decide(backend, facts, tools, forRelease = false) {
  const { device, problem, advice, plan } = examine(backend, facts, tools, forRelease);
  const reasons = [problem, device.problem].filter((reason) => reason !== null);
  const buildable = problem === null ? plan() : null;
  return {
    backend,
    hasDevice: device.problem === null,
    plan: buildable,
    reason: reasons.length > 0 ? reasons.join("; ") : `${device.name}, ${buildable?.toolkit ?? ""}`,
    // Tools are no use without a device.
    advice: device.exists ? (problem === null ? device.advice : advice) : null,
  };
}

/**
 * Why there is no room to build, or null.
 * @param {import("../settings.mjs").Backend} backend
 * @param {number} freeBytes
 */
export function diskProblem(backend, freeBytes) {
  const needed = DISK_BYTES[backend];
  if (freeBytes >= needed) return null;
  return `the build takes up to ${gigabytes(needed)} of disk, but only ${gigabytes(freeBytes)} are free`;
}

/** @param {GpuBackend} backend @param {NodeJS.Platform} platform */
function existsOn(backend, platform) {
  if (backend === "metal") return platform === "darwin";
  if (platform === "darwin") return false;
  return backend !== "hip" || platform === "linux";
}

/**
 * @typedef {{ exists: boolean, name: string, problem: string | null, advice: string | null }} DeviceFinding
 * @typedef {{ device: DeviceFinding, problem: string | null, advice: string | null, plan: () => GpuPlan }} Finding
 *
 * @param {GpuBackend} backend
 * @param {GpuFacts} facts
 * @param {BuildTools} tools
 * @param {boolean} forRelease
 * @returns {Finding}
 */
function examine(backend, facts, tools, forRelease) {
  const finding = { metal: examineMetal, cuda: examineCuda, vulkan: examineVulkan, hip: examineHip }[backend](
    facts,
    tools,
    forRelease,
  );
  if (finding.problem !== null) return finding;
  return { ...finding, problem: diskProblem(backend, facts.freeDiskBytes), advice: "free some disk space" };
}

/** @param {GpuFacts} facts @returns {Finding} */
function examineMetal({ platform, arch }) {
  const isApple = platform === "darwin" && arch === "arm64";
  const problem = isApple ? null : "Metal needs a Mac with Apple silicon";
  const device = { exists: isApple, name: "Apple GPU", problem, advice: null };
  // Kernels are compiled when they are first used, so that Xcode's Metal compiler is not needed.
  const plan = () => ({ settings: ["-DGGML_METAL_EMBED_LIBRARY=ON"], toolkit: "Metal" });
  return { device, problem, advice: null, plan };
}

/** @param {GpuFacts} facts @param {BuildTools} tools @param {boolean} forRelease @returns {Finding} */
function examineCuda(facts, tools, forRelease) {
  const { cuda, gpus, gccVersions, platform } = facts;
  let device = cudaDevice(facts);
  const found = forRelease ? [] : [...new Set(gpus.nvidia.map(({ architecture }) => architecture))];
  /** @param {string} problem @param {string} advice @returns {Finding} */
  const no = (problem, advice) => ({ device, problem, advice, plan: () => ({ settings: [], toolkit: "" }) });
  const toolkitAdvice = "install the CUDA toolkit (its nvcc on PATH, or its folder in CUDA_PATH)";
  if (cuda === null) return no("there is no CUDA toolkit (no nvcc in CUDA_PATH or on PATH)", toolkitAdvice);
  if (cuda.version === "unknown")
    return no(`the CUDA toolkit in ${cuda.root} is incomplete: it has no cuda.h`, toolkitAdvice);
  if (compareVersions(cuda.version, MIN_CUDA) < 0) {
    return no(`CUDA ${cuda.version} is too old: ${MIN_CUDA} or newer is needed`, toolkitAdvice);
  }
  if (!cuda.hasBlas)
    return no(`the CUDA toolkit in ${cuda.root} has no cuBLAS`, "install cuBLAS, a part of the CUDA toolkit");
  const problems = found.map((architecture) => architecture && toolkitProblem(architecture, cuda.version));
  // The addon leaves out an old GPU without kernels (native/cmake/cuda_kernels.h), and a newer one's driver compiles them further.
  const architectures = found.filter((_, index) => problems[index] === null);
  const [unfit] = problems.filter((problem) => problem !== null);
  if (unfit !== undefined) {
    const advice = "install a toolkit that fits the GPU";
    // Beside one that the list does not know, CMake would compile for all that it finds.
    if (architectures.length === 0 || architectures.includes(null)) return no(unfit, advice);
    device = { ...device, advice: device.advice ?? advice };
  }
  const host = hostCompilerFor(cuda, tools, gccVersions);
  if ("problem" in host) return no(host.problem, host.advice);
  const targets = forRelease
    ? releasedArchitectures(cuda.version)
    : ownArchitectures(architectures, device.exists, tools.cmake);
  const plan = () => cudaPlan(cuda, { targets, host: host.path, platform, forRelease, unfit });
  return { device, problem: null, advice: null, plan };
}

/**
 * @param {import("./facts.mjs").CudaToolkit} cuda
 * @param {{ targets: string | null, host: string | null, platform: NodeJS.Platform, forRelease: boolean, unfit: string | undefined }} what
 * `unfit`: why it has no code for a GPU that is there
 * @returns {GpuPlan}
 */
function cudaPlan({ root, nvcc, version, canLinkDriver }, { targets, host, platform, forRelease, unfit }) {
  const compiled = targets === null ? "ggml's own list of architectures" : `architectures ${targets}`;
  return {
    settings: [
      `-DCMAKE_CUDA_COMPILER=${nvcc}`,
      // Visual Studio takes a toolkit by its folder, and else the one that its installer has put into it, if any.
      ...(platform === "win32" ? [`-Tcuda=${root}`] : []),
      ...(targets === null ? [] : [`-DCMAKE_CUDA_ARCHITECTURES=${targets}`]),
      ...(host === null ? [] : [`-DCMAKE_CUDA_HOST_COMPILER=${host}`]),
      ...(canLinkDriver ? [] : ["-DGGML_CUDA_NO_VMM=ON"]),
      // For several GPUs; ggml links with it where the toolkit's image has it, and systems do not.
      ...(forRelease ? ["-DGGML_CUDA_NCCL=OFF"] : []),
    ],
    toolkit: `CUDA ${version}, ${compiled}${unfit === undefined ? "" : `; ${unfit}`}`,
  };
}

/**
 * What kernels are compiled for; null: ggml's own list.
 * @param {(string | null)[]} architectures of this machine's GPUs, null for a chip that is newer than our list
 * @param {boolean} hasGpu
 * @param {string | null} cmake version
 */
function ownArchitectures(architectures, hasGpu, cmake) {
  const known = architectures.filter((architecture) => architecture !== null);
  // Without "-real" the intermediate code is kept too, which drivers of newer GPUs compile further.
  if (known.length > 0 && known.length === architectures.length) return known.join(";");
  if (!hasGpu) return NO_GPU_ARCHITECTURES;
  return cmake !== null && compareVersions(cmake, MIN_CMAKE_TO_ASK) < 0 ? null : "native";
}

/** @param {string} toolkit version */
function releasedArchitectures(toolkit) {
  return RELEASED_ARCHITECTURES.filter((name) => toolkitProblem(name.split("-")[0] ?? "", toolkit) === null).join(";");
}

/** @param {GpuFacts} facts @returns {DeviceFinding} */
function cudaDevice({ gpus, nvidiaDriver, platform }) {
  // Only Linux tells which GPUs there are; elsewhere the driver stands for them.
  const exists = gpus.nvidia.length > 0 || ((platform !== "linux" || gpus.hasRenderNode) && nvidiaDriver !== null);
  const name = `NVIDIA GPU (driver ${nvidiaDriver ?? "missing"})`;
  if (!exists) return { exists, name, problem: "this machine has no NVIDIA GPU", advice: null };
  if (nvidiaDriver !== null) return { exists, name, problem: null, advice: null };
  const advice = "install NVIDIA's driver (it brings libcuda.so.1)";
  return { exists, name, problem: "NVIDIA's driver is not installed", advice };
}

/**
 * The compiler that nvcc hands the C++ parts to: the usual one where the toolkit accepts it, else an older GCC.
 * @param {import("./facts.mjs").CudaToolkit} cuda
 * @param {BuildTools} tools
 * @param {number[]} gccVersions
 * @returns {{ path: string | null } | { problem: string, advice: string }} null: the one that nvcc finds, as Visual Studio's
 */
function hostCompilerFor(cuda, { compiler: { name, major }, compilerPath, mscVersion }, gccVersions) {
  if (name === "msvc") return visualStudioProblem(cuda, mscVersion) ?? { path: null };
  const { version, newestGcc, clangBelow } = cuda;
  const limit = name === "gcc" ? newestGcc : name === "clang" && clangBelow !== null ? clangBelow - 1 : null;
  // By itself nvcc would take the first g++ of the PATH, whichever that is.
  if (limit === null || major <= limit) return { path: compilerPath };
  const older = gccVersions.filter((gcc) => newestGcc !== null && gcc <= newestGcc).at(-1);
  if (older !== undefined) return { path: `g++-${older}` };
  return {
    problem: `CUDA ${version} does not accept ${name === "gcc" ? "GCC" : "Clang"} ${major}, only up to ${limit}`,
    advice: `install g++-${newestGcc ?? limit}, or a newer CUDA toolkit`,
  };
}

/** @param {import("./facts.mjs").CudaToolkit} cuda @param {number | null} mscVersion */
function visualStudioProblem({ version, msc }, mscVersion) {
  if (msc === null || mscVersion === null || (mscVersion >= msc.first && mscVersion < msc.end)) return null;
  const name = (/** @type {number} */ number) => `14.${String(number - 1900).padStart(2, "0")}`;
  const range = `only ${name(msc.first)} to ${name(msc.end - 1)}`;
  return {
    problem: `CUDA ${version} does not accept Visual Studio's compiler ${name(mscVersion)}, ${range}`,
    advice: mscVersion < msc.first ? "update Visual Studio" : "install a newer CUDA toolkit",
  };
}

/** @param {GpuFacts} facts @returns {Finding} */
function examineVulkan(facts) {
  const { glslc, headers, includeDir, loader, hasSpirvHeaders } = facts.vulkan;
  const library = facts.platform === "win32" ? "vulkan-1.lib" : "libvulkan.so";
  const missing = [
    ...(loader === null ? [`the Vulkan loader to link with (${library})`] : []),
    ...(headers === null ? ["Vulkan's headers"] : []),
    ...(hasSpirvHeaders ? [] : ["SPIRV-Headers"]),
    ...(glslc === null ? ["the shader compiler glslc"] : []),
  ];
  const tooOld = headers !== null && compareVersions(headers, MIN_VULKAN_HEADERS) < 0;
  const sdk = "install the Vulkan SDK and name its folder in VULKAN_SDK";
  const problem =
    missing.length > 0
      ? `to build it, ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`
      : tooOld
        ? `Vulkan's headers ${headers} are too old: ${MIN_VULKAN_HEADERS} or newer are needed`
        : null;
  const packages = "sudo apt-get install libvulkan-dev glslc spirv-headers";
  const advice = tooOld || facts.platform !== "linux" ? sdk : `${sdk}, or, on a recent Debian or Ubuntu: ${packages}`;
  const plan = () => ({
    settings: [
      `-DVulkan_GLSLC_EXECUTABLE=${glslc ?? ""}`,
      `-DVulkan_INCLUDE_DIR=${includeDir ?? ""}`,
      `-DVulkan_LIBRARY=${loader ?? ""}`,
    ],
    toolkit: `Vulkan headers ${headers ?? ""}, ${glslc ?? ""}`,
  });
  return { device: vulkanDevice(facts), problem, advice, plan };
}

/** @param {GpuFacts} facts @returns {DeviceFinding} */
function vulkanDevice({ platform, gpus, vulkanDrivers }) {
  const name = "GPU with a Vulkan driver";
  if (platform === "win32") {
    const problem =
      vulkanDrivers.length > 0 ? null : "no driver of a GPU has brought Vulkan (there is no vulkan-1.dll)";
    return { exists: problem === null, name, problem, advice: null };
  }
  if (!gpus.hasRenderNode) {
    return {
      exists: false,
      name,
      problem: "this machine has no GPU to compute on (nothing in /dev/dri)",
      advice: null,
    };
  }
  if (vulkanDrivers.length > 0) return { exists: true, name, problem: null, advice: null };
  const advice = "install the GPU's Vulkan driver (mesa-vulkan-drivers for AMD and Intel)";
  return { exists: true, name, problem: "the GPU has no Vulkan driver", advice };
}

/** For all machines. @param {string} [version] of ROCm */
function amdTargets(version = "unknown") {
  const known = version === "unknown" ? MIN_ROCM : version;
  return AMD_TARGETS.filter(({ rocm }) => compareVersions(known, rocm) >= 0).flatMap(({ targets }) => targets);
}

/** @param {GpuFacts} facts @param {BuildTools} _tools @param {boolean} forRelease @returns {Finding} */
function examineHip({ rocm, gpus, amdDriver }, _tools, forRelease) {
  const name = `AMD GPU ${gpus.amdTargets.join(" ")}`;
  const exists = gpus.hasAmd || gpus.amdTargets.length > 0;
  const deviceProblem = !exists
    ? "this machine has no AMD GPU"
    : amdDriver
      ? null
      : "AMD's compute driver is not there (no /dev/kfd)";
  const device = {
    exists,
    name,
    problem: deviceProblem,
    advice: amdDriver ? null : "install the amdgpu driver of ROCm",
  };
  const problem =
    rocm === null
      ? "there is no ROCm (no hipcc in ROCM_PATH, /opt/rocm or on PATH)"
      : rocm.version !== "unknown" && compareVersions(rocm.version, MIN_ROCM) < 0
        ? `ROCm ${rocm.version} is too old: ${MIN_ROCM} or newer is needed`
        : rocm.hasBlas
          ? null
          : `the ROCm in ${rocm.root} has no hipBLAS or rocBLAS`;
  const targets = (forRelease || gpus.amdTargets.length === 0 ? amdTargets(rocm?.version) : gpus.amdTargets).join(";");
  const plan = () => ({
    settings: [`-DGPU_TARGETS=${targets}`],
    toolkit: `ROCm ${rocm?.version ?? ""}, for ${targets}`,
  });
  return { device, problem, advice: `install ROCm ${MIN_ROCM} or newer with hipBLAS and rocBLAS`, plan };
}

/** @param {number} bytes */
function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
