// A model with the architecture of OLMo 2 and 3: attention over a sliding window and over everything take turns. llama.cpp
// keeps two caches, of which one may forget what is out of the window (`llama_kv_cache_iswa`).

import { attention, feedForward, norm, ofLayers } from "./tensors.mjs";

const WIDTH = 128;
const LAYERS = 4;
const HEADS = 4;
const HEADS_KV = 2;
const WIDTH_KV = (WIDTH / HEADS) * HEADS_KV;
const FEED_FORWARD = 256;
/** Tokens that a layer with a window sees. */
const WINDOW = 64;
/** One layer of so many sees everything: the last one. */
const PATTERN = 2;

/** Of the norms of queries and keys: attention is more than an average. */
const ATTENTION_GAIN = 1.5;

/** @type {import("./shapes.mjs").Shape} */
export const olmo2 = {
  architecture: "olmo2",
  name: "OLMo",
  label: "9M",
  hyperparameters: {
    context_length: 32768,
    embedding_length: WIDTH,
    block_count: LAYERS,
    feed_forward_length: FEED_FORWARD,
    "attention.head_count": HEADS,
    "attention.head_count_kv": HEADS_KV,
    "attention.layer_norm_rms_epsilon": { float: 1e-5 },
    "attention.sliding_window": WINDOW,
    "attention.sliding_window_pattern": PATTERN,
    "rope.dimension_count": WIDTH / HEADS,
    "rope.freq_base": { float: 1_000_000 },
  },
  types: ["f32"],
  tensors: () => ofLayers(WIDTH, LAYERS, layerTensors),
};

/** @param {string} prefix */
function layerTensors(prefix) {
  return [
    ...attention(prefix, WIDTH, WIDTH_KV),
    norm(`${prefix}attn_q_norm`, WIDTH, ATTENTION_GAIN),
    norm(`${prefix}attn_k_norm`, WIDTH_KV, ATTENTION_GAIN),
    norm(`${prefix}post_attention_norm`, WIDTH),
    ...feedForward(prefix, WIDTH, FEED_FORWARD),
    norm(`${prefix}post_ffw_norm`, WIDTH),
  ];
}
