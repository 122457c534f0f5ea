import type { KnownModel } from "../../hub/index.js";
import { knownModels } from "../../hub/index.js";
import type { InstalledModel } from "../../hub/installed.js";
import { alignColumns, formatBytes, formatCount } from "../format.js";
import { bold } from "../style.js";

/** Models on this disk, one a line. */
export function describeInstalled(models: readonly InstalledModel[]): string[] {
  if (models.length === 0) {
    return ["There are no models on this disk. `llama-native models list --known` shows some to pull."];
  }
  const rows = models.map(({ name, quantization, sizeBytes, modified, keeper, unfinished }) => {
    const day = new Date(modified).toISOString().slice(0, 10);
    return [name, quantization ?? "-", formatBytes(sizeBytes), day, unfinished ? `${keeper}, unfinished` : keeper];
  });
  const [heading = "", ...lines] = alignColumns([["model", "quantization", "size", "since", "kept by"], ...rows], {
    right: [2],
  });
  return [bold(heading), ...lines];
}

/** Models of the catalogue, some lines each. */
export function describeKnown(): string[] {
  return knownModels().flatMap((model) => {
    const { name, parameterCount, licence, contextLength, aliases, repository, quantization } = model;
    const short = aliases.filter((alias) => !/[/@:]/.test(alias) && alias !== name);
    const names = short.length > 0 ? `, also ${short.join(", ")}` : "";
    return [
      bold(`${name}${names}`),
      `  ${formatCount(parameterCount)} parameters, ${contextLength} tokens of context, ${licence}`,
      `  ${quantization} of ${repository}`,
      `  good at: ${model.strengths}`,
      `  not at: ${model.weaknesses}`,
    ];
  });
}

export function knownModelsForJson(): readonly KnownModel[] {
  return knownModels();
}
