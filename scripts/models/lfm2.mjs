// Models with the architecture of LFM2: short convolutions, whose last inputs are a sequence's state, and attention take
// turns. llama.cpp keeps both kinds of memory side by side (`llama_memory_hybrid`, with a window
// `llama_memory_hybrid_iswa`).

import { VOCABULARY_SIZE } from "./metadata.mjs";
import { attention, embeddings, feedForward, matrix, norm } from "./tensors.mjs";

const WIDTH = 128;
const HEADS = 4;
const HEAD_WIDTH = WIDTH / HEADS;
/** Key and value heads of each layer; those without are convolutions. */
const HEADS_KV = [0, 2, 0, 2];
const FEED_FORWARD = 256;
const CONVOLUTION = 3;

/** Of the norms of queries and keys: attention is more than an average. */
const ATTENTION_GAIN = 1.5;

/**
 * @param {{ slidingWindow?: number }} options tokens that attention reaches back; without it, to the first
 * @returns {import("./shapes.mjs").Shape}
 */
export function lfm2({ slidingWindow }) {
  return {
    architecture: "lfm2",
    name: "LFM2",
    label: "9M",
    hyperparameters: {
      context_length: 32768,
      embedding_length: WIDTH,
      block_count: HEADS_KV.length,
      feed_forward_length: FEED_FORWARD,
      "attention.head_count": HEADS,
      "attention.head_count_kv": HEADS_KV,
      "attention.layer_norm_rms_epsilon": { float: 1e-5 },
      ...(slidingWindow === undefined ? {} : { "attention.sliding_window": slidingWindow }),
      "rope.dimension_count": HEAD_WIDTH,
      "rope.freq_base": { float: 1_000_000 },
      "shortconv.l_cache": CONVOLUTION,
    },
    types: ["f32"],
    tensors: () => [
      embeddings([WIDTH, VOCABULARY_SIZE]),
      ...HEADS_KV.flatMap((headsKv, layer) => layerTensors(`blk.${layer}.`, headsKv)),
      // The norm before the output; llama.cpp gave it the wrong name once and keeps it.
      norm("token_embd_norm", WIDTH),
      matrix("output", [WIDTH, VOCABULARY_SIZE]),
    ],
  };
}

/**
 * @param {string} prefix
 * @param {number} headsKv
 */
function layerTensors(prefix, headsKv) {
  return [
    norm(`${prefix}attn_norm`, WIDTH),
    ...(headsKv > 0 ? normedAttention(prefix, headsKv) : convolution(prefix)),
    norm(`${prefix}ffn_norm`, WIDTH),
    ...feedForward(prefix, WIDTH, FEED_FORWARD),
  ];
}

/**
 * @param {string} prefix
 * @param {number} headsKv
 */
function normedAttention(prefix, headsKv) {
  return [
    ...attention(prefix, WIDTH, headsKv * HEAD_WIDTH),
    norm(`${prefix}attn_q_norm`, HEAD_WIDTH, ATTENTION_GAIN),
    norm(`${prefix}attn_k_norm`, HEAD_WIDTH, ATTENTION_GAIN),
  ];
}

/** @param {string} prefix */
function convolution(prefix) {
  return [
    matrix(`${prefix}shortconv.conv`, [CONVOLUTION, WIDTH]),
    matrix(`${prefix}shortconv.in_proj`, [WIDTH, 3 * WIDTH]),
    matrix(`${prefix}shortconv.out_proj`, [WIDTH, WIDTH]),
  ];
}
