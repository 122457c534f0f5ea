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

/** What the system's loader says of libraries that come with drivers and toolkits. */
const causes: readonly Cause[] = [
  {
    pattern: /(libcuda\.so\S*|nvcuda\.dll)/,
    reason: (library) => `NVIDIA's driver is missing (${library})`,
    advice: "install NVIDIA's driver",
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

/** Why an addon did not load, by the words of the system. */
export function explainLoadFailure(backend: Backend, words: string): PassedOverBackend {
  for (const { pattern, reason, advice } of causes) {
    const found = pattern.exec(words)?.[1];
    if (found !== undefined) return { backend, reason: reason(found.replace(/:$/, "")), advice };
  }
  return { backend, reason: `its addon cannot be loaded: ${words}`, advice: rebuild(backend) };
}

export function explainNoDevice(backend: Backend): PassedOverBackend {
  const advice = `check that the GPU and its driver are there${
    backend === "vulkan" ? " (vulkaninfo --summary lists the devices; those that compute on the CPU do not count)" : ""
  }`;
  return { backend, reason: "it finds no device on this machine", advice };
}

/** The addon would end the process, so that it is not loaded. */
export function explainOtherCpu(backend: Backend, missing: readonly string[]): PassedOverBackend {
  const reason = `its addon was built for another CPU: this one lacks ${missing.join(", ")}`;
  return { backend, reason, advice: rebuild(backend) };
}

export function rebuild(backend: Backend): string {
  return `run \`npx llama-native build${backend === "cpu" ? "" : ` --gpu ${backend}`}\``;
}
