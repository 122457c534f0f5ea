import { thinkingMarksOf } from "../../chat/thinking/thinking-syntax.js";
import type { LlamaContext } from "../../llama-context.js";
import type { LlamaModel } from "../../llama-model.js";
import type { PooledModel } from "./model-pool.js";

/** What the server tells of a model; null where it is not known before the model is loaded. */
export interface ModelFacts {
  readonly id: string;
  readonly createdMs: number;
  readonly loaded: boolean;
  /** Milliseconds since 1970 at which it will be unloaded unless it is used, or null. */
  readonly unloadsAtMs: number | null;
  readonly details: LoadedFacts | null;
}

export interface LoadedFacts {
  /** Tokens of all its answers together, or of one text where it makes embeddings alone. */
  readonly contextSize: number;
  readonly sequences: number;
  readonly canGenerate: boolean;
  readonly trainedContextSize: number;
  readonly architecture: string;
  readonly parameterCount: number;
  readonly sizeBytes: number;
  readonly fileType: string;
  readonly embeddingLength: number;
  readonly vocabularySize: number;
  readonly template: string | null;
  readonly canFillGaps: boolean;
  /** Whether its template knows of thinking before an answer. */
  readonly canThink: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** Estimated bytes of weights, KV cache and buffers, where the server loaded it. */
  readonly estimatedBytes: number | null;
  /** Of weights, KV cache and buffers that are on GPUs. */
  readonly deviceBytes: number;
}

export function factsOf(entry: PooledModel): ModelFacts {
  const { id, createdMs, loaded, users, keepMs, lastUsedMs } = entry;
  const leaves = loaded !== undefined && entry.owned && users === 0 && keepMs > 0;
  return {
    id,
    createdMs,
    loaded: loaded !== undefined,
    unloadsAtMs: leaves ? lastUsedMs + keepMs : null,
    details: loadedFacts(entry),
  };
}

function loadedFacts({ loaded, needs, served }: PooledModel): LoadedFacts | null {
  if (loaded === undefined) return null;
  const { model, context } = loaded;
  const { info } = model;
  const template = served.template ?? model.chatTemplateSource;
  const { fimPrefix, fimSuffix, fimMiddle } = model.tokenizer.special;
  return {
    contextSize: context?.info.contextSize ?? info.contextLength,
    sequences: context?.info.sequences ?? 0,
    trainedContextSize: info.contextLength,
    architecture: info.architecture,
    parameterCount: info.parameterCount,
    sizeBytes: info.sizeBytes,
    fileType: info.fileType,
    embeddingLength: info.embeddingLength,
    vocabularySize: info.vocabularySize,
    template,
    canThink: template !== null && thinkingMarksOf(template) !== undefined,
    canFillGaps: fimPrefix !== null && fimSuffix !== null && fimMiddle !== null,
    metadata: model.metadata,
    estimatedBytes: needs?.bytes ?? null,
    canGenerate: info.canGenerate,
    deviceBytes: deviceBytes(model, context),
  };
}

function deviceBytes({ fit: weights }: LlamaModel, context: LlamaContext | null): number {
  const onDevices = (context?.fit?.shares ?? []).filter(({ where }) => weights?.devices.includes(where) === true);
  return Math.round(onDevices.reduce((sum, { neededBytes }) => sum + neededBytes, weights?.weightBytes ?? 0));
}
