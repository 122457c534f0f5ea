// A model with the architecture of Mamba: no attention, but in each layer a short convolution and a selective state
// space, whose states llama.cpp keeps for each sequence instead of a cell for each token (`llama_memory_recurrent`).

import { matrix, norm, ofLayers } from "./tensors.mjs";

const WIDTH = 128;
const LAYERS = 3;
/** llama.cpp wants twice the width. */
const INNER = 2 * WIDTH;
const STATE = 16;
const CONVOLUTION = 4;
const STEP_RANK = 8;

/**
 * Before softplus, so that a step is about 0.02. A state's row n fades by e^(−step · n), so the slowest ones remember
 * some fifty tokens, and faintly many more.
 */
const STEP_BIAS = -4;

/** @type {import("./shapes.mjs").Shape} */
export const mamba = {
  architecture: "mamba",
  name: "Mamba",
  label: "9M",
  hyperparameters: {
    context_length: 32768,
    embedding_length: WIDTH,
    block_count: LAYERS,
    feed_forward_length: 0,
    "attention.head_count": 0,
    "attention.layer_norm_rms_epsilon": { float: 1e-5 },
    "ssm.conv_kernel": CONVOLUTION,
    "ssm.inner_size": INNER,
    "ssm.state_size": STATE,
    "ssm.time_step_rank": STEP_RANK,
  },
  types: ["f32"],
  tensors: () => ofLayers(WIDTH, LAYERS, layerTensors),
};

/**
 * @param {string} prefix
 * @returns {import("./tensors.mjs").ModelTensor[]}
 */
function layerTensors(prefix) {
  return [
    norm(`${prefix}attn_norm`, WIDTH),
    matrix(`${prefix}ssm_in`, [WIDTH, 2 * INNER]),
    matrix(`${prefix}ssm_conv1d`, [CONVOLUTION, INNER]),
    perChannel(`${prefix}ssm_conv1d.bias`, 0),
    matrix(`${prefix}ssm_x`, [INNER, STEP_RANK + 2 * STATE], { gain: 4 }),
    matrix(`${prefix}ssm_dt`, [STEP_RANK, INNER]),
    perChannel(`${prefix}ssm_dt.bias`, STEP_BIAS),
    { name: `${prefix}ssm_a`, shape: [STATE, INNER], type: "f32", weights: (column) => -(column + 1) },
    perChannel(`${prefix}ssm_d`, 1),
    matrix(`${prefix}ssm_out`, [INNER, WIDTH], { gain: 2 }),
  ];
}

/**
 * @param {string} name
 * @param {number} value
 * @returns {import("./tensors.mjs").ModelTensor}
 */
function perChannel(name, value) {
  return { name, shape: [INNER], type: "f32", weights: () => value };
}
