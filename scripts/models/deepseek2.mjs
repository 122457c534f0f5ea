// A model with the architecture of DeepSeek-V2 and 3: a position's keys and values are one compressed vector, out of which
// every head makes its own (multi-head latent attention). llama.cpp keeps that vector, and nothing for values.

import { feedForward, matrix, norm, ofLayers } from "./tensors.mjs";

const WIDTH = 128;
const LAYERS = 4;
const HEADS = 4;
const FEED_FORWARD = 256;
/** Numbers of the compressed vectors, and of keys that turn with their position. */
const LATENT = 224;
const LATENT_QUERY = 64;
const ROTATED = 32;
/** Numbers of a head's keys that do not turn, and of its values. */
const PLAIN = 32;
const VALUES = 32;

/** @type {import("./shapes.mjs").Shape} */
export const deepseek2 = {
  architecture: "deepseek2",
  name: "DeepSeek",
  label: "9M",
  hyperparameters: {
    context_length: 32768,
    embedding_length: WIDTH,
    block_count: LAYERS,
    feed_forward_length: FEED_FORWARD,
    // No layer is a mixture of experts.
    leading_dense_block_count: LAYERS,
    expert_feed_forward_length: FEED_FORWARD,
    expert_shared_count: 1,
    "attention.head_count": HEADS,
    "attention.head_count_kv": 1,
    "attention.layer_norm_rms_epsilon": { float: 1e-5 },
    "attention.q_lora_rank": LATENT_QUERY,
    "attention.kv_lora_rank": LATENT,
    "attention.key_length": LATENT + ROTATED,
    "attention.value_length": LATENT,
    "attention.key_length_mla": PLAIN + ROTATED,
    "attention.value_length_mla": VALUES,
    "rope.dimension_count": ROTATED,
    "rope.freq_base": { float: 1_000_000 },
  },
  types: ["f32"],
  tensors: () => ofLayers(WIDTH, LAYERS, layerTensors),
};

/** @param {string} prefix */
function layerTensors(prefix) {
  return [
    norm(`${prefix}attn_norm`, WIDTH),
    matrix(`${prefix}attn_q_a`, [WIDTH, LATENT_QUERY]),
    norm(`${prefix}attn_q_a_norm`, LATENT_QUERY),
    matrix(`${prefix}attn_q_b`, [LATENT_QUERY, HEADS * (PLAIN + ROTATED)]),
    matrix(`${prefix}attn_kv_a_mqa`, [WIDTH, LATENT + ROTATED]),
    norm(`${prefix}attn_kv_a_norm`, LATENT),
    ofEachHead(matrix(`${prefix}attn_k_b`, [PLAIN, LATENT])),
    ofEachHead(matrix(`${prefix}attn_v_b`, [LATENT, VALUES])),
    matrix(`${prefix}attn_output`, [HEADS * VALUES, WIDTH]),
    norm(`${prefix}ffn_norm`, WIDTH),
    ...feedForward(prefix, WIDTH, FEED_FORWARD),
  ];
}

/**
 * @param {import("./tensors.mjs").ModelTensor} tensor
 * @returns {import("./tensors.mjs").ModelTensor}
 */
function ofEachHead(tensor) {
  return { ...tensor, shape: [...tensor.shape, HEADS] };
}
