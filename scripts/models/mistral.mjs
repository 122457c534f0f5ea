// Models with the architecture of Mistral-7B-Instruct-v0.2, in several sizes.

import { VOCABULARY_SIZE } from "./metadata.mjs";
import { embeddings, matrix, norm } from "./tensors.mjs";

/**
 * @typedef {import("./gguf.mjs").Tensor} Tensor
 * @typedef {import("./metadata.mjs").FileType} FileType
 *
 * @typedef {object} Size
 * @property {string} label the parameter count as people say it
 * @property {number} width
 * @property {number} layers
 * @property {number} heads
 * @property {number} headsKv
 * @property {number} headWidth
 * @property {number} feedForward
 */

/**
 * @param {Size} size
 * @returns {import("./shapes.mjs").Shape}
 */
export function mistral(size) {
  return {
    architecture: "llama",
    name: "Mistral-7B-Instruct-v0.2",
    label: size.label,
    hyperparameters: {
      context_length: 32768,
      embedding_length: size.width,
      block_count: size.layers,
      feed_forward_length: size.feedForward,
      "attention.head_count": size.heads,
      "attention.head_count_kv": size.headsKv,
      "attention.layer_norm_rms_epsilon": { float: 1e-5 },
      "rope.dimension_count": size.headWidth,
      "rope.freq_base": { float: 1_000_000 },
    },
    types: ["q4_k_m", "q5_k_m", "q8_0", "q4_0", "f16"],
    tensors: (type) => tensorsOf(size, type),
  };
}

/**
 * Queries and keys are larger than their input, so that attention is more than an average and the output depends on the
 * whole context.
 */
const ATTENTION_GAIN = 1.5;

/**
 * @param {Size} size
 * @param {FileType} fileType
 * @returns {import("./tensors.mjs").ModelTensor[]}
 */
function tensorsOf({ width, layers, heads, headsKv, headWidth, feedForward }, fileType) {
  const types = tensorTypes(fileType, layers);
  const type = types.default;
  const tensors = [embeddings([width, VOCABULARY_SIZE], type)];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `blk.${layer}.`;
    const sensitive = types.sensitive(layer);
    tensors.push(
      norm(`${prefix}attn_norm`, width),
      matrix(`${prefix}attn_q`, [width, heads * headWidth], { type, gain: ATTENTION_GAIN }),
      matrix(`${prefix}attn_k`, [width, headsKv * headWidth], { type, gain: ATTENTION_GAIN }),
      matrix(`${prefix}attn_v`, [width, headsKv * headWidth], { type: sensitive }),
      matrix(`${prefix}attn_output`, [heads * headWidth, width], { type }),
      norm(`${prefix}ffn_norm`, width),
      matrix(`${prefix}ffn_gate`, [width, feedForward], { type }),
      matrix(`${prefix}ffn_up`, [width, feedForward], { type }),
      matrix(`${prefix}ffn_down`, [feedForward, width], { type: sensitive }),
    );
  }
  tensors.push(norm("output_norm", width), matrix("output", [width, VOCABULARY_SIZE], { type: types.output }));
  return tensors;
}

/**
 * The types that llama.cpp's quantizer gives the tensors of this architecture (llama-quant.cpp): the output matrix of
 * every file of fewer bits is Q6_K, and so are in Q4_K_M and Q5_K_M the values and down projections of the layers that
 * `use_more_bits` picks: the first and last eighth and every third one between them.
 * @param {FileType} type
 * @param {number} layers
 * @returns {{ default: Tensor["type"], output: Tensor["type"], sensitive: (layer: number) => Tensor["type"] }}
 */
function tensorTypes(type, layers) {
  if (type === "f16" || type === "q8_0") return { default: type, output: type, sensitive: () => type };
  if (type === "q4_0") return { default: "q4_0", output: "q6_k", sensitive: () => "q4_0" };
  const eighth = Math.floor(layers / 8);
  const lastEighth = Math.floor((7 * layers) / 8);
  /** @param {number} layer */
  const useMoreBits = (layer) => layer < eighth || layer >= lastEighth || (layer - eighth) % 3 === 2;
  const most = type === "q5_k_m" ? "q5_k" : "q4_k";
  return { default: most, output: "q6_k", sensitive: (layer) => (useMoreBits(layer) ? "q6_k" : most) };
}
