import type { ModelShape } from "../../src/model/model-shape.js";

/** Mistral-7B, of which Q4_K_M and F16 differ in their weights alone. */
export const mistral = (weightBytes: number): ModelShape => ({
  architecture: "llama",
  parameterCount: 7_241_732_096,
  weightBytes,
  layerWeightBytes: Array.from({ length: 32 }, () => (weightBytes * 0.96) / 32),
  largestWeightBytes: Array.from({ length: 32 }, () => (weightBytes * 0.96 * 0.27) / 32),
  outputWeightBytes: weightBytes * 0.02,
  hasTiedOutput: false,
  tiedCopyBytes: 0,
  layerCount: 32,
  contextLength: 32_768,
  embeddingLength: 4096,
  feedForwardLength: 14_336,
  headCount: 32,
  vocabularySize: 32_000,
  mergeCount: 0,
  keyLengths: Array.from({ length: 32 }, () => 1024),
  valueLengths: Array.from({ length: 32 }, () => 1024),
  headLengths: { k: [128], v: [128] },
  stateBytes: [],
  stateWidth: 0,
  windows: "none",
  hasCache: true,
  isExact: true,
});
