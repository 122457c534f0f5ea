import type { PassedOverBackend } from "../../native/backends.js";
import type { NativeDevice } from "../../native/contract.js";
import { formatBytes, plural } from "../format.js";
import { bold } from "../style.js";
import type { AddonFacts } from "./addon-facts.js";
import type { BuildFacts } from "./build-facts.js";
import type { CacheFacts } from "./cache-facts.js";
import type { Examination } from "./examine.js";
import type { GpuFacts } from "./gpu-facts.js";
import type { ToolchainFacts } from "./toolchain-facts.js";

const labelWidth = 16;

type Row = readonly [label: string, value: string];

/** For people to read; the verdict comes last. */
export function describeExamination({
  package: own,
  node,
  machine,
  addon,
  gpus,
  cache,
  toolchain,
  build,
  verdict,
}: Examination): string[] {
  const rows: Row[] = [
    ["llama-native", `${own.version}, for llama.cpp ${own.llamaCpp}`],
    ["Node", `${node.version}, ${node.platform}, ${node.path}`],
    ["Machine", `${machine.cpu}, ${plural(machine.cores, "core")}, ${formatBytes(machine.memoryBytes)} of memory`],
    ...describeAddon(addon),
    ...gpus.map(describeGpu),
    ...describeToolchain(toolchain),
    ["A build", describeBuildFacts(build)],
    ...describeCache(cache),
  ];
  return [...rows.map(([label, value]) => bold(label.padEnd(labelWidth)) + value), "", bold(verdict)];
}

function describeAddon({ path, sizeBytes, build, system, error }: AddonFacts): Row[] {
  const state = sizeBytes === null ? "missing" : `${formatBytes(sizeBytes)}${error === null ? "" : ", does not load"}`;
  return [
    ["Addon", `${path} (${state})`],
    ...(system === null ? [] : [["  origin", origins[system.addon.origin](system.addon.package)] as const]),
    ...(build === null ? [] : [["  built", describeBuild(build)] as const]),
    ...(system === null
      ? []
      : [
          ["llama.cpp", `${system.llamaVersion}, compiled by ${system.compiler}`] as const,
          ["CPU features", describeCpu(system)] as const,
          ...system.devices.map(describeDevice),
          ...system.backendWarnings.map(describeWarning),
          ...system.passedOver.map(describePassedOver),
        ]),
  ];
}

const origins = {
  built: () => "built on this machine",
  prebuilt: (name: string | null) => `the package ${String(name)}`,
  custom: () => "named by LLAMA_NATIVE_ADDON",
};

function describeBuild({ builtAt, backend, flags, compiler }: NonNullable<AddonFacts["build"]>): string {
  return [builtAt, backend, flags, compiler].filter((part) => part !== undefined).join(", ");
}

function describeCpu({ cpuFeatures, cpuVariant }: NonNullable<AddonFacts["system"]>): string {
  return `${cpuFeatures.join(" ")}${cpuVariant === null ? "" : ` (the package's kernels for ${cpuVariant})`}`;
}

function describeDevice({ name, description, type, freeBytes, totalBytes }: NativeDevice, index: number): Row {
  const memory = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`;
  return [index === 0 ? "Devices" : "", `${name} (${type}): ${description}, ${memory}`];
}

/** Of llama.cpp while it looked for devices, such as of a GPU that the addon has no kernels for. */
function describeWarning(words: string, index: number): Row {
  return [index === 0 ? "Warnings" : "", words.trim()];
}

function describePassedOver({ backend, reason, advice }: PassedOverBackend, index: number): Row {
  return [index === 0 ? "Not used" : "", `${backend}: ${reason}; ${advice}`];
}

function describeGpu({ backend, state, reason, advice }: GpuFacts, index: number): Row {
  const why = reason === null ? "" : `: ${reason}`;
  return [
    index === 0 ? "GPUs" : "",
    `${backend}: ${state}${why}${advice === null ? "" : `; for more speed, ${advice}`}`,
  ];
}

function describeToolchain(toolchain: ToolchainFacts): Row[] {
  if ("missing" in toolchain) return [["Build tools", `missing: ${toolchain.missing.join(", ")}`]];
  const { cmake, compiler, generator, ccache } = toolchain;
  return [
    ["Build tools", `${compiler.version}, ${compiler.path}`],
    ["", `${cmake.version}, ${cmake.path}`],
    ["", `${generator ?? "CMake's default generator"}, ${ccache === null ? "no ccache" : `ccache, ${ccache}`}`],
  ];
}

function describeBuildFacts({ jobs, reason, freeDiskBytes, problem }: BuildFacts): string {
  const disk = freeDiskBytes === null ? [] : [`${formatBytes(freeDiskBytes)} of disk free`];
  return [`${plural(jobs, "job")} (${reason})`, ...(problem === null ? disk : [problem])].join("; ");
}

function describeCache({ path, sizeBytes, entries }: CacheFacts): Row[] {
  return [
    ["Cache", `${path} (${formatBytes(sizeBytes)})`],
    ...entries.map(({ name, sizeBytes: bytes }) => ["", `${name}  ${formatBytes(bytes)}`] as const),
  ];
}
