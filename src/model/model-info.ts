import type { NativeModelInfo, NativeVocabularyInfo } from "../native/contract.js";
import { keepsNothing } from "./model-shape.js";

/** Facts of a loaded model; lengths in tokens or elements. */
export interface ModelInfo {
  /** llama.cpp's short description, e.g. `llama 7B Q4_K - Medium`. */
  readonly description: string;
  readonly architecture: string;
  readonly parameterCount: number;
  /** Bytes of all tensors. */
  readonly sizeBytes: number;
  readonly fileType: string;
  /** The context length the model was trained with. */
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly headCountKv: number;
  /** 0 where the model has no sliding window. */
  readonly slidingWindow: number;
  readonly vocabularySize: number;
  readonly vocabularyType: NativeVocabularyInfo["type"];
  readonly hasEncoder: boolean;
  readonly hasDecoder: boolean;
  /** Whether it can generate text; others make embeddings alone. */
  readonly canGenerate: boolean;
  readonly isRecurrent: boolean;
  readonly isHybrid: boolean;
  /** Whether only the vocabulary was loaded: such a model can tokenize, but not run. */
  readonly vocabularyOnly: boolean;
}

export function toModelInfo(native: NativeModelInfo, vocabularyOnly: boolean): ModelInfo {
  return Object.freeze({
    description: native.description,
    architecture: native.architecture,
    parameterCount: native.parameterCount,
    sizeBytes: native.sizeBytes,
    fileType: native.fileType,
    contextLength: native.contextLength,
    embeddingLength: native.embeddingLength,
    layerCount: native.layerCount,
    headCount: native.headCount,
    headCountKv: native.headCountKv,
    slidingWindow: native.slidingWindow,
    vocabularySize: native.vocabulary.size,
    vocabularyType: native.vocabulary.type,
    hasEncoder: native.hasEncoder,
    hasDecoder: native.hasDecoder,
    canGenerate: !native.hasEncoder && !keepsNothing(native.architecture),
    isRecurrent: native.isRecurrent,
    isHybrid: native.isHybrid,
    vocabularyOnly,
  });
}
