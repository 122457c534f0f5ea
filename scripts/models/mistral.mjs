// Models with the architecture, vocabulary and prompt format of Mistral-7B-Instruct-v0.2, in several sizes.

import { PIECE_TYPE } from "./sentencepiece.mjs";

/**
 * @typedef {import("./gguf.mjs").Tensor} Tensor
 * @typedef {import("./gguf.mjs").Metadata} Metadata
 *
 * @typedef {object} Shape
 * @property {string} label the parameter count as people say it
 * @property {number} width
 * @property {number} layers
 * @property {number} heads
 * @property {number} headsKv
 * @property {number} headWidth
 * @property {number} feedForward
 */

/** @satisfies {Record<string, Shape>} */
export const SHAPES = {
  /** 18 million parameters, 16 million of them the vocabulary's: the smallest that K-quants allow. */
  tiny: { label: "18M", width: 256, layers: 2, heads: 4, headsKv: 2, headWidth: 64, feedForward: 512 },
  /** 124.6 million parameters. */
  "125m": { label: "125M", width: 768, layers: 12, heads: 12, headsKv: 4, headWidth: 64, feedForward: 2048 },
  /** Exactly Mistral-7B: 7.24 billion parameters. */
  "7b": { label: "7B", width: 4096, layers: 32, heads: 32, headsKv: 8, headWidth: 128, feedForward: 14336 },
};

/** What llama.cpp calls the mix of tensor types (`llama_ftype`). */
const FILE_TYPE = { f16: 1, q4_0: 2, q4_k_m: 15 };

/** @typedef {keyof typeof FILE_TYPE} FileType */
export const FILE_TYPES = /** @type {FileType[]} */ (Object.keys(FILE_TYPE));

const CONTEXT_LENGTH = 32768;
const VOCABULARY_SIZE = 32000;

/** The template that Mistral-7B-Instruct-v0.2 was published with. */
const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}" +
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}" +
  "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}" +
  "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}" +
  "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}";

/**
 * @param {Shape} shape
 * @param {FileType} type
 * @param {import("./sentencepiece.mjs").SentencePieceModel} vocabulary
 * @returns {Metadata}
 */
export function metadataOf(shape, type, vocabulary) {
  return [
    ["general.architecture", { kind: "string", value: "llama" }],
    ["general.type", { kind: "string", value: "model" }],
    ["general.name", { kind: "string", value: "Mistral-7B-Instruct-v0.2" }],
    ["general.description", { kind: "string", value: "Random weights in the shape of the model, for tests" }],
    ["general.size_label", { kind: "string", value: shape.label }],
    ["general.license", { kind: "string", value: "apache-2.0" }],
    ["general.quantization_version", { kind: "uint32", value: 2 }],
    ["general.file_type", { kind: "uint32", value: FILE_TYPE[type] }],
    ...architecture(shape),
    ...tokenizer(vocabulary),
  ];
}

/**
 * @param {Shape} shape
 * @returns {Metadata}
 */
function architecture(shape) {
  return [
    ["llama.vocab_size", { kind: "uint32", value: VOCABULARY_SIZE }],
    ["llama.context_length", { kind: "uint32", value: CONTEXT_LENGTH }],
    ["llama.embedding_length", { kind: "uint32", value: shape.width }],
    ["llama.block_count", { kind: "uint32", value: shape.layers }],
    ["llama.feed_forward_length", { kind: "uint32", value: shape.feedForward }],
    ["llama.attention.head_count", { kind: "uint32", value: shape.heads }],
    ["llama.attention.head_count_kv", { kind: "uint32", value: shape.headsKv }],
    ["llama.attention.layer_norm_rms_epsilon", { kind: "float32", value: 1e-5 }],
    ["llama.rope.dimension_count", { kind: "uint32", value: shape.headWidth }],
    ["llama.rope.freq_base", { kind: "float32", value: 1_000_000 }],
  ];
}

/**
 * @param {import("./sentencepiece.mjs").SentencePieceModel} vocabulary
 * @returns {Metadata}
 */
function tokenizer(vocabulary) {
  const { pieces } = vocabulary;
  if (pieces.length !== VOCABULARY_SIZE || pieces[3]?.type !== PIECE_TYPE.byte) {
    throw new Error(`Expected Mistral's vocabulary of ${VOCABULARY_SIZE} pieces but received one of ${pieces.length}`);
  }
  return [
    ["tokenizer.ggml.model", { kind: "string", value: "llama" }],
    ["tokenizer.ggml.pre", { kind: "string", value: "default" }],
    ["tokenizer.ggml.tokens", { kind: "strings", value: pieces.map(({ text }) => text) }],
    ["tokenizer.ggml.scores", { kind: "floats", value: pieces.map(({ score }) => score) }],
    ["tokenizer.ggml.token_type", { kind: "ints", value: pieces.map((piece) => piece.type) }],
    ["tokenizer.ggml.bos_token_id", { kind: "uint32", value: vocabulary.bos }],
    ["tokenizer.ggml.eos_token_id", { kind: "uint32", value: vocabulary.eos }],
    ["tokenizer.ggml.unknown_token_id", { kind: "uint32", value: vocabulary.unknown }],
    ["tokenizer.ggml.add_bos_token", { kind: "bool", value: true }],
    ["tokenizer.ggml.add_eos_token", { kind: "bool", value: false }],
    ["tokenizer.ggml.add_space_prefix", { kind: "bool", value: vocabulary.addDummyPrefix }],
    ["tokenizer.chat_template", { kind: "string", value: CHAT_TEMPLATE }],
  ];
}

/**
 * The tensors in the order of their data.
 * @param {Shape} shape
 * @param {FileType} type
 * @returns {Tensor[]}
 */
export function tensorsOf(shape, type) {
  const { width, layers, feedForward } = shape;
  /** @type {(name: string, shape: number[], type: Tensor["type"]) => Tensor} */
  const tensor = (name, dimensions, tensorType) => ({ name: `${name}.weight`, shape: dimensions, type: tensorType });
  const types = tensorTypes(type, layers);
  const tensors = [tensor("token_embd", [width, VOCABULARY_SIZE], types.default)];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `blk.${layer}.`;
    tensors.push(
      tensor(`${prefix}attn_norm`, [width], "f32"),
      tensor(`${prefix}attn_q`, [width, shape.heads * shape.headWidth], types.default),
      tensor(`${prefix}attn_k`, [width, shape.headsKv * shape.headWidth], types.default),
      tensor(`${prefix}attn_v`, [width, shape.headsKv * shape.headWidth], types.sensitive(layer)),
      tensor(`${prefix}attn_output`, [shape.heads * shape.headWidth, width], types.default),
      tensor(`${prefix}ffn_norm`, [width], "f32"),
      tensor(`${prefix}ffn_gate`, [width, feedForward], types.default),
      tensor(`${prefix}ffn_up`, [width, feedForward], types.default),
      tensor(`${prefix}ffn_down`, [feedForward, width], types.sensitive(layer)),
    );
  }
  tensors.push(tensor("output_norm", [width], "f32"), tensor("output", [width, VOCABULARY_SIZE], types.output));
  return tensors;
}

/**
 * The types that llama.cpp's quantizer gives the tensors of this architecture (llama-quant.cpp): the output matrix of
 * every quantized file is Q6_K, and so are in Q4_K_M the values and down projections of the layers that
 * `use_more_bits` picks: the first and last eighth and every third one between them.
 * @param {FileType} type
 * @param {number} layers
 * @returns {{ default: Tensor["type"], output: Tensor["type"], sensitive: (layer: number) => Tensor["type"] }}
 */
function tensorTypes(type, layers) {
  if (type === "f16") return { default: "f16", output: "f16", sensitive: () => "f16" };
  if (type === "q4_0") return { default: "q4_0", output: "q6_k", sensitive: () => "q4_0" };
  const eighth = Math.floor(layers / 8);
  const lastEighth = Math.floor((7 * layers) / 8);
  /** @param {number} layer */
  const useMoreBits = (layer) => layer < eighth || layer >= lastEighth || (layer - eighth) % 3 === 2;
  return { default: "q4_k", output: "q6_k", sensitive: (layer) => (useMoreBits(layer) ? "q6_k" : "q4_k") };
}

/**
 * The standard deviation of a tensor's random weights, with which activations keep their size through all layers:
 * 1/√(row length), as the norms' weights are 1. Embeddings are of the size of a norm's output; queries and keys are
 * larger, so that attention is more than an average and the output depends on the whole context.
 * @param {Tensor} tensor
 */
export function deviationOf({ name, shape }) {
  const width = shape[0] ?? 1;
  if (name === "token_embd.weight") return 1;
  return (/attn_[qk]\.weight$/.test(name) ? 1.5 : 1) / Math.sqrt(width);
}
