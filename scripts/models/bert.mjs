// A model with the architecture of BERT, which makes embeddings alone: every token sees all others, before and behind it, and
// nothing is kept of what was read. With Mistral's vocabulary, as every model here.

import { VOCABULARY_SIZE } from "./metadata.mjs";
import { attention, embeddings, matrix, norm } from "./tensors.mjs";

const WIDTH = 128;
const LAYERS = 3;
const HEADS = 4;
const FEED_FORWARD = 256;
/** Tokens, for each of which there is a vector that is added to its own. */
const CONTEXT = 512;
const TOKEN_TYPES = 2;
/** llama.cpp's number for the mean of all tokens' vectors. */
const MEAN_POOLING = 1;

/** @type {import("./shapes.mjs").Shape} */
export const bert = {
  architecture: "bert",
  name: "BERT",
  label: "5M",
  hyperparameters: {
    context_length: CONTEXT,
    embedding_length: WIDTH,
    block_count: LAYERS,
    feed_forward_length: FEED_FORWARD,
    "attention.head_count": HEADS,
    "attention.layer_norm_epsilon": { float: 1e-12 },
    "attention.causal": false,
    pooling_type: MEAN_POOLING,
  },
  marksEnd: true,
  tokenTypes: TOKEN_TYPES,
  types: ["f32"],
  tensors: () => [
    embeddings([WIDTH, VOCABULARY_SIZE]),
    matrix("position_embd", [WIDTH, CONTEXT]),
    matrix("token_types", [WIDTH, TOKEN_TYPES]),
    ...layerNorm("token_embd_norm"),
    ...Array.from({ length: LAYERS }, (_, layer) => layerTensors(`blk.${layer}.`)).flat(),
  ],
};

/** @param {string} prefix */
function layerTensors(prefix) {
  return [
    ...attention(prefix, WIDTH, WIDTH),
    ...layerNorm(`${prefix}attn_output_norm`),
    matrix(`${prefix}ffn_up`, [WIDTH, FEED_FORWARD]),
    matrix(`${prefix}ffn_down`, [FEED_FORWARD, WIDTH]),
    ...layerNorm(`${prefix}layer_output_norm`),
  ];
}

/** @param {string} name @returns {import("./tensors.mjs").ModelTensor[]} */
function layerNorm(name) {
  return [norm(name, WIDTH), { name: `${name}.bias`, shape: [WIDTH], type: "f32", weights: () => 0 }];
}
