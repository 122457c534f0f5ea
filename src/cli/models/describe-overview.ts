import { alignColumns, formatBytes, formatCount } from "../format.js";
import { bold } from "../style.js";
import type { Fit, MachineOverview, ModelOverview, QuantizationOverview } from "./overview.js";

/** Types of KV cache that are shown; `--json` has them all. */
const shownTypes = ["f16", "q8_0", "q4_0"] as const;

const fitWords: Record<Fit, string> = { gpu: "GPU", yes: "yes", both: "both", busy: "busy", no: "no" };

/** A model at a glance for people to read. */
export function describeOverview(overview: ModelOverview): string[] {
  const { name, quantizations, isExact, machine, problem } = overview;
  const sizes = [...new Set(quantizations.flatMap(({ memory }) => memory.map(({ contextSize }) => contextSize)))];
  const rows = quantizations.flatMap((item) => quantizationRows(item, labelOf(item, quantizations), sizes));
  const heading = ["quantization", "file", "here", "KV cache", ...sizes.map((size) => `${size} tokens`)];
  const table = alignColumns([heading, ...rows], { right: [1, ...sizes.map((_, index) => index + 4)] });
  return [
    bold(name),
    ...alignColumns(facts(overview).map(([label, value]) => [`  ${label}`, value])),
    "",
    ...(rows.length > 0
      ? [
          bold(`Memory${isExact ? "" : ", roughly"}, and whether it fits`),
          ...table.map((line) => line.trimEnd()),
          "",
          ...legend(machine),
        ]
      : []),
    ...(problem === null ? [] : [`The hub's list is missing: ${problem}`]),
  ];
}

function facts(overview: ModelOverview): [string, string][] {
  const { parameterCount, layerCount, architecture, contextLength } = overview;
  const shape = [
    ...(parameterCount === null ? [] : [formatCount(parameterCount)]),
    ...(layerCount === null ? [] : [`${layerCount} layers`]),
    ...(architecture === null ? [] : [`architecture ${architecture}`]),
  ];
  const all: [string, string | null][] = [
    ["Weights of", overview.origin],
    ["Files from", overview.repository],
    ["Licence", overview.licence],
    ["Parameters", shape.length > 0 ? shape.join(", ") : null],
    ["Context", contextLength === null ? null : `${contextLength} tokens`],
    ["Prompt format", overview.promptFormat],
    ["Good at", overview.strengths],
    ["Not good at", overview.weaknesses],
  ];
  return all.filter((fact): fact is [string, string] => fact[1] !== null);
}

/** The quantization, or where that does not tell it from the others its file. */
function labelOf({ quantization, fileName }: QuantizationOverview, all: readonly QuantizationOverview[]): string {
  const isUnique = all.filter((other) => other.quantization === quantization).length === 1;
  return quantization !== null && isUnique ? quantization : fileName;
}

function quantizationRows(
  { sizeBytes, path, memory }: QuantizationOverview,
  label: string,
  sizes: readonly number[],
): string[][] {
  const file = [label, formatBytes(sizeBytes), path === null ? "" : "here"];
  if (memory.length === 0) return [[...file, ...["", ...sizes].map(() => "")]]; // there was no header to compute it by
  const types = memory.some(({ kvType }) => kvType === null) ? [null] : shownTypes;
  return types.map((kvType, index) => {
    const cells = sizes.map((size) => {
      const need = memory.find((item) => item.contextSize === size && item.kvType === kvType);
      return need === undefined ? "" : `${formatBytes(need.bytes)} ${fitWords[need.fit].padEnd(4)}`;
    });
    return [...(index === 0 ? file : ["", "", ""]), kvType ?? "none", ...cells];
  });
}

function legend({ totalBytes, availableBytes, limit, gpus, gpuFreeBytes }: MachineOverview): string[] {
  const whose = { memory: "of this machine's", container: "of this container's", process: "of this process's" }[limit];
  const gpu =
    gpus.length > 0 ? `${gpus.join(", ")} with ${formatBytes(gpuFreeBytes)} free` : "none that this build uses";
  const inBoth = gpus.length > 0 ? "; both: some layers on the GPU, the rest there" : "";
  return [
    `yes: in the ${formatBytes(availableBytes)} that are free now ${whose} ${formatBytes(totalBytes)}${inBoth}; busy: only without other programs; no: never`,
    `GPU: ${gpu}`,
  ];
}
