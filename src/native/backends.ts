/** Kinds of GPUs, the best first: each has an addon of its own, which computes on the CPU as well. */
export const gpuBackends = ["metal", "cuda", "hip", "vulkan"] as const;
export const gpuChoices = ["auto", "cuda", "metal", "vulkan", "hip", "cpu"] as const;

export type GpuBackend = (typeof gpuBackends)[number];
export type Backend = GpuBackend | "cpu";
export type GpuChoice = (typeof gpuChoices)[number];

/** An addon that is there but not used, or not there but asked for. */
export interface PassedOverBackend {
  backend: Backend;
  reason: string;
  /** What to do about it. */
  advice: string;
}

interface Cause {
  readonly pattern: RegExp;
  readonly reason: (found: string) => string;
  readonly advice: string;
}

const driver = process.platform === "win32" ? "nvcuda.dll" : "libcuda.so.1";

/** What a GPU's addon needs of a system of Windows, which does not say which library it misses. */
const windowsLibraries: Partial<Record<Backend, string>> = { cuda: "nvcuda.dll", vulkan: "vulkan-1.dll" };

/** What the system's loader says of libraries that come with drivers and toolkits. */
const missingLibraries: readonly Cause[] = [
  {
    pattern: /(libcuda\.so\S*|nvcuda\.dll)/,
    reason: noNvidiaDriver,
    advice: "install NVIDIA's driver (a container gets its GPU's from the host: docker run --gpus all)",
  },
  {
    pattern: /(lib(?:cudart|cublas|cublasLt|nccl)\.so\.?\d*|(?:cudart|cublas)\S*\.dll)/,
    reason: (library) => `the CUDA library ${library} is missing`,
    advice: "install the CUDA runtime it was built with, or put its folder into LD_LIBRARY_PATH",
  },
  {
    pattern: /(libvulkan\.so\S*|vulkan-1\.dll)/,
    reason: (library) => `the Vulkan loader is missing (${library})`,
    advice: "install it with the GPU's driver (on Debian and Ubuntu: libvulkan1 and mesa-vulkan-drivers)",
  },
  {
    pattern: /(lib(?:amdhip64|hipblas|rocblas|hsa-runtime64)\.so\S*)/,
    reason: (library) => `the ROCm library ${library} is missing`,
    advice: "install ROCm's runtime",
  },
];

/** The C library that an addon was linked with, by what a system with another one misses. */
const otherSystems: readonly Cause[] = [
  {
    pattern: /(ld-linux-[\w-]+\.so\.\d)/,
    reason: (library) => `it was built for systems with glibc, which this is not (${library} is missing)`,
    advice: "run `npx llama-native build --force`, or install llama-native here",
  },
  {
    pattern: /(libc\.musl-\w+\.so\.1)/,
    reason: (library) => `it was built for systems with musl, which this is not (${library} is missing)`,
    advice: "run `npx llama-native build --force`, or install llama-native here",
  },
];

/** What CUDA says of drivers. */
const driverFailures: readonly Cause[] = [
  {
    pattern: /driver version is insufficient for CUDA (\S+)/,
    reason: (wanting) => `NVIDIA's driver is too old for the CUDA ${wanting} that the addon was built with`,
    advice:
      "install a newer driver (nvidia-smi tells the version of CUDA that it serves), or build with an older toolkit",
  },
  {
    pattern: /(no CUDA-capable device is detected)/,
    reason: () => "NVIDIA's driver finds no GPU",
    advice: "check that nvidia-smi lists one, and that CUDA_VISIBLE_DEVICES does not hide it",
  },
  {
    pattern: /CUDA(?: error)?: (out of memory)/,
    reason: () => "the GPU has no memory left",
    advice: "end the programs that take it, which nvidia-smi lists",
  },
  {
    pattern: /CUDA(?: error)?: ([^;]*)/,
    reason: (words) => `NVIDIA's driver fails: ${words}`,
    advice: "check that nvidia-smi lists the GPU; a driver that was updated needs a restart of the machine",
  },
];

/** The same of ROCm. */
const rocmFailures: readonly Cause[] = [
  {
    pattern: /(no ROCm-capable device is detected)/,
    reason: () => "AMD's driver finds no GPU",
    advice:
      "check that rocminfo lists one and that this user may open /dev/kfd (the groups render and video; in a container " +
      "docker run --device /dev/kfd --device /dev/dri)",
  },
  {
    pattern: /ROCm(?: error)?: (out of memory)/,
    reason: () => "the GPU has no memory left",
    advice: "end the programs that take it, which rocm-smi lists",
  },
  {
    pattern: /ROCm(?: error)?: ([^;]*)/,
    reason: (words) => `AMD's driver fails: ${words}`,
    advice: "check that rocminfo lists the GPU",
  },
];

function noNvidiaDriver(library: string): string {
  return `NVIDIA's driver is missing (${library})`;
}

/** What the systems' loaders say where a library is not there; one that does not fit they name as well. */
const notThere = /No such file or directory|specified module could not be found|error 126\b/;

function explain(backend: Backend, words: string, causes: readonly Cause[]): PassedOverBackend | undefined {
  for (const { pattern, reason, advice } of causes) {
    const found = pattern.exec(words)?.[1];
    if (found !== undefined) return { backend, reason: reason(found.replace(/:$/, "")), advice };
  }
  return undefined;
}

type Opens = (library: string) => boolean;

/** Of a library that is not there. */
function explainMissing(backend: Backend, words: string, canOpen: Opens): PassedOverBackend | undefined {
  if (!notThere.test(words)) return undefined;
  const found = explain(backend, words, missingLibraries);
  if (found !== undefined || words.includes("No such file")) return found;
  const library = windowsLibraries[backend];
  if (library !== undefined && !canOpen(library)) return explain(backend, library, missingLibraries);
  if (backend !== "cuda") return undefined;
  const reason = "a library that its addon needs is missing, of those of CUDA (cudart64_*.dll, cublas64_*.dll)";
  return { backend, reason, advice: "install the CUDA runtime it was built with, or put its folder into PATH" };
}

/** Why the CPU's addon did not load. */
export function explainBroken(words: string): PassedOverBackend {
  const found = notThere.test(words) ? explain("cpu", words, otherSystems) : undefined;
  return found ?? { backend: "cpu", reason: words, advice: "run `npx llama-native build --force`" };
}

function explainDriver(backend: Backend, words: string, canOpen: Opens): PassedOverBackend | undefined {
  if (backend === "hip") return explain(backend, words, rocmFailures);
  const found = backend === "cuda" ? explain(backend, words, driverFailures) : undefined;
  // CUDA says of a driver that is not there that it is too old.
  return found === undefined || canOpen(driver) ? found : explain(backend, driver, missingLibraries);
}

/** Why an addon did not load, or failed when it was first asked for devices, by the words of the system or of llama.cpp. */
export function explainLoadFailure(
  backend: Backend,
  words: string,
  canOpen: Opens = canOpenLibrary,
): PassedOverBackend {
  return (
    explainMissing(backend, words, canOpen) ??
    (notThere.test(words) ? explain(backend, words, otherSystems) : undefined) ??
    explainDriver(backend, words, canOpen) ?? {
      backend,
      reason: `its addon cannot be loaded: ${words}`,
      advice: rebuild(backend),
    }
  );
}

/** Why an addon that works has no device, by what llama.cpp warned of. */
export function explainNoDevice(
  backend: Backend,
  warnings: readonly string[] = [],
  canOpen: Opens = canOpenLibrary,
): PassedOverBackend {
  const words = warnings.map((line) => line.replace(/^\w+: /, "").trim()).join("; ");
  const advice = `check that the GPU and its driver are there${
    backend === "vulkan" ? " (vulkaninfo --summary lists the devices; those that compute on the CPU do not count)" : ""
  }`;
  const reason = `it finds no device on this machine${words === "" ? "" : `: ${words}`}`;
  // See native/cmake/cuda_kernels.h.
  const unfit = [...words.matchAll(/there are no kernels for ([^;]*)/g)].map(([, gpu = ""]) => gpu).join(", ");
  if (unfit !== "") {
    const advice = `update its driver, or run \`npx llama-native build --gpu ${backend} --force\``;
    return { backend, reason: `its addon has no kernels for ${unfit}`, advice };
  }
  return explainDriver(backend, words, canOpen) ?? { backend, reason, advice };
}

/** Whether the system's loader finds a library; Node then says that it is no addon. */
function canOpenLibrary(name: string): boolean {
  try {
    process.dlopen({ exports: {} }, name);
    return true;
  } catch (error) {
    return !notThere.test(String(error));
  }
}

/** The addon would end the process, so that it is not loaded. */
export function explainOtherCpu(backend: Backend, missing: readonly string[]): PassedOverBackend {
  const reason = `its addon was built for another CPU: this one lacks ${missing.join(", ")}`;
  return { backend, reason, advice: rebuild(backend) };
}

export function rebuild(backend: Backend): string {
  return `run \`npx llama-native build${backend === "cpu" ? "" : ` --gpu ${backend}`}\``;
}
