// A model with the architecture of Mamba: no attention, but in each layer a short convolution and a selective state
// space, whose states llama.cpp keeps for each sequence instead of a cell for each token (`llama_memory_recurrent`).

import { matrix, norm, ofLayers } from "./tensors.mjs";

const STATE = 16;
const CONVOLUTION = 4;

/**
 * Before softplus, so that a step is about 0.02. A state's row n fades by e^(−step · n), so the slowest ones remember
 * some fifty tokens, and faintly many more.
 */
const STEP_BIAS = -4;

/**
 * @param {{ label: string, width: number, layers: number, stepRank: number }} size
 * @returns {import("./shapes.mjs").Shape}
 */
export function mamba({ label, width, layers, stepRank }) {
  const inner = 2 * width; // as llama.cpp wants
  return {
    architecture: "mamba",
    name: "Mamba",
    label,
    hyperparameters: {
      context_length: 32768,
      embedding_length: width,
      block_count: layers,
      feed_forward_length: 0,
      "attention.head_count": 0,
      "attention.layer_norm_rms_epsilon": { float: 1e-5 },
      "ssm.conv_kernel": CONVOLUTION,
      "ssm.inner_size": inner,
      "ssm.state_size": STATE,
      "ssm.time_step_rank": stepRank,
    },
    types: ["f32"],
    tensors: () => ofLayers(width, layers, (prefix) => layerTensors(prefix, width, inner, stepRank)),
  };
}

/**
 * @param {string} prefix
 * @param {number} width
 * @param {number} inner
 * @param {number} stepRank
 * @returns {import("./tensors.mjs").ModelTensor[]}
 */
function layerTensors(prefix, width, inner, stepRank) {
  return [
    norm(`${prefix}attn_norm`, width),
    matrix(`${prefix}ssm_in`, [width, 2 * inner]),
    matrix(`${prefix}ssm_conv1d`, [CONVOLUTION, inner]),
    perChannel(`${prefix}ssm_conv1d.bias`, inner, 0),
    matrix(`${prefix}ssm_x`, [inner, stepRank + 2 * STATE], { gain: 4 }),
    matrix(`${prefix}ssm_dt`, [stepRank, inner]),
    perChannel(`${prefix}ssm_dt.bias`, inner, STEP_BIAS),
    { name: `${prefix}ssm_a`, shape: [STATE, inner], type: "f32", weights: (column) => -(column + 1) },
    perChannel(`${prefix}ssm_d`, inner, 1),
    matrix(`${prefix}ssm_out`, [inner, width], { gain: 2 }),
  ];
}

/**
 * @param {string} name
 * @param {number} length
 * @param {number} value
 * @returns {import("./tensors.mjs").ModelTensor}
 */
function perChannel(name, length, value) {
  return { name, shape: [length], type: "f32", weights: () => value };
}
