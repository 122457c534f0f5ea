// What the tensors of any architecture are described with.

import { VOCABULARY_SIZE } from "./metadata.mjs";

/**
 * @typedef {import("./gguf.mjs").Tensor} Tensor
 * @typedef {Tensor & { weights: Weights }} ModelTensor
 * @typedef {number | ((column: number) => number)} Weights the standard deviation of random weights with mean 0, or each
 *   weight by its place in the row
 */

/**
 * A matrix with random weights. With a gain of 1 its output is of its input's size.
 * @param {string} name without the `.weight` that all matrices and norms end with
 * @param {[width: number, rows: number]} shape
 * @param {{ type?: Tensor["type"], gain?: number }} [options]
 * @returns {ModelTensor}
 */
export function matrix(name, shape, { type = "f32", gain = 1 } = {}) {
  return { name: `${name}.weight`, shape, type, weights: gain / Math.sqrt(shape[0]) };
}

/**
 * The embeddings of the vocabulary, of the size of a norm's output.
 * @param {[width: number, rows: number]} shape
 * @param {Tensor["type"]} type
 * @returns {ModelTensor}
 */
export function embeddings(shape, type = "f32") {
  return { name: "token_embd.weight", shape, type, weights: 1 };
}

/**
 * The weights of a norm.
 * @param {string} name
 * @param {number} width
 * @param {number} weight
 * @returns {ModelTensor}
 */
export function norm(name, width, weight = 1) {
  return { name: `${name}.weight`, shape: [width], type: "f32", weights: () => weight };
}

/**
 * A gated feed-forward network.
 * @param {string} prefix of the layer
 * @param {number} width
 * @param {number} inner
 * @returns {ModelTensor[]}
 */
export function feedForward(prefix, width, inner) {
  return [
    matrix(`${prefix}ffn_gate`, [width, inner]),
    matrix(`${prefix}ffn_up`, [width, inner]),
    matrix(`${prefix}ffn_down`, [inner, width]),
  ];
}

/**
 * The projections of grouped-query attention.
 * @param {string} prefix of the layer
 * @param {number} width
 * @param {number} widthKv
 * @returns {ModelTensor[]}
 */
export function attention(prefix, width, widthKv) {
  return [
    matrix(`${prefix}attn_q`, [width, width]),
    matrix(`${prefix}attn_k`, [width, widthKv]),
    matrix(`${prefix}attn_v`, [width, widthKv]),
    matrix(`${prefix}attn_output`, [width, width]),
  ];
}

/**
 * A whole model: embeddings, layers, a norm, and the output.
 * @param {number} width
 * @param {number} layers
 * @param {(prefix: string) => ModelTensor[]} layerTensors
 * @returns {ModelTensor[]}
 */
export function ofLayers(width, layers, layerTensors) {
  return [
    embeddings([width, VOCABULARY_SIZE]),
    ...Array.from({ length: layers }, (_, layer) => layerTensors(`blk.${layer}.`)).flat(),
    norm("output_norm", width),
    matrix("output", [width, VOCABULARY_SIZE]),
  ];
}
