// What the metadata of every model here has: its name, and Mistral's vocabulary and prompt format.

import { PIECE_TYPE } from "./sentencepiece.mjs";

/** @typedef {import("./gguf.mjs").Metadata} Metadata */

/** Pieces in Mistral's vocabulary. */
export const VOCABULARY_SIZE = 32000;

/** What llama.cpp calls the mix of tensor types (`llama_ftype`). */
const FILE_TYPE = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, q4_k_m: 15, q5_k_m: 17 };

/** @typedef {keyof typeof FILE_TYPE} FileType */

/** The template that Mistral-7B-Instruct-v0.2 was published with. */
const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}" +
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}" +
  "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}" +
  "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}" +
  "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}";

/** What marks the text before a gap, the text behind it, and the place from which it is filled: CodeLlama's. */
const GAP_MARKS = ["<PRE>", "<SUF>", "<MID>"];
const GAP_KEYS = ["fim_pre_token_id", "fim_suf_token_id", "fim_mid_token_id"];

/**
 * @param {import("./shapes.mjs").Shape} shape
 * @param {FileType} type
 * @param {import("./sentencepiece.mjs").SentencePieceModel} vocabulary
 * @returns {Metadata}
 */
export function metadataOf(shape, type, vocabulary) {
  return [
    ["general.architecture", { kind: "string", value: shape.architecture }],
    ["general.type", { kind: "string", value: "model" }],
    ["general.name", { kind: "string", value: shape.name }],
    ["general.description", { kind: "string", value: "Random weights in the shape of the model, for tests" }],
    ["general.size_label", { kind: "string", value: shape.label }],
    ["general.license", { kind: "string", value: "apache-2.0" }],
    ["general.quantization_version", { kind: "uint32", value: 2 }],
    ["general.file_type", { kind: "uint32", value: FILE_TYPE[type] }],
    [`${shape.architecture}.vocab_size`, { kind: "uint32", value: VOCABULARY_SIZE }],
    ...Object.entries(shape.hyperparameters).map(([key, value]) => parameter(`${shape.architecture}.${key}`, value)),
    ...tokenizer(shape.fillsGaps === true ? withGapMarks(vocabulary) : vocabulary, shape.marksEnd === true),
    ...(shape.fillsGaps === true ? gapMetadata() : []),
    ...(shape.tokenTypes === undefined ? [] : tokenTypes(shape.tokenTypes)),
  ];
}

/** @param {number} count @returns {Metadata} */
function tokenTypes(count) {
  return [["tokenizer.ggml.token_type_count", { kind: "uint32", value: count }]];
}

/**
 * A truth value, a whole number, a list of them with one for each layer, or any other number.
 * @param {string} key
 * @param {import("./shapes.mjs").Hyperparameter} value
 * @returns {Metadata[number]}
 */
function parameter(key, value) {
  if (typeof value === "boolean") return [key, { kind: "bool", value }];
  if (Array.isArray(value)) return [key, { kind: "ints", value }];
  return typeof value === "number" ? [key, { kind: "uint32", value }] : [key, { kind: "float32", value: value.float }];
}

/**
 * The marks take the place of the last pieces, rare characters.
 * @param {import("./sentencepiece.mjs").SentencePieceModel} vocabulary
 */
function withGapMarks(vocabulary) {
  const marks = GAP_MARKS.map((text) => ({ text, score: 0, type: PIECE_TYPE.control }));
  return { ...vocabulary, pieces: [...vocabulary.pieces.slice(0, -marks.length), ...marks] };
}

/** @returns {Metadata} */
function gapMetadata() {
  const first = VOCABULARY_SIZE - GAP_MARKS.length;
  return GAP_KEYS.map((key, index) => [`tokenizer.ggml.${key}`, { kind: "uint32", value: first + index }]);
}

/**
 * @param {import("./sentencepiece.mjs").SentencePieceModel} vocabulary
 * @param {boolean} marksEnd
 * @returns {Metadata}
 */
function tokenizer(vocabulary, marksEnd) {
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
    ["tokenizer.ggml.add_eos_token", { kind: "bool", value: marksEnd }],
    ["tokenizer.ggml.add_space_prefix", { kind: "bool", value: vocabulary.addDummyPrefix }],
    ["tokenizer.chat_template", { kind: "string", value: CHAT_TEMPLATE }],
  ];
}
