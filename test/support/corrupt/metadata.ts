import type { Corruption } from "./corruption.js";
import { either, loads, refused } from "./corruption.js";
import { array, float32, string, typed, uint32 } from "./gguf.js";

const vocabularySize = 32_000;

const number = (value: number): Buffer => typed("uint32", uint32(value));
const float = (value: number): Buffer => typed("float32", float32(value));
const text = (value: string): Buffer => typed("string", string(value));

function set(outcome: typeof refused, key: string, values: Record<string, Buffer>): Corruption[] {
  return Object.entries(values).map(([name, value]) =>
    outcome(`${key} ${name}`, (model) => model.withValue(key, value)),
  );
}

const withoutKey = (outcome: typeof refused, keys: readonly string[]): Corruption[] =>
  keys.map((key) => outcome(`without ${key}`, (model) => model.withoutKey(key)));

/** Keys that are missing. */
export const missingKeys: Corruption[] = [
  ...withoutKey(refused, [
    "general.architecture",
    "llama.context_length",
    "llama.embedding_length",
    "llama.block_count",
    "llama.feed_forward_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.layer_norm_rms_epsilon",
    "tokenizer.ggml.model",
    "tokenizer.ggml.tokens",
  ]),
  ...withoutKey(loads, [
    "general.name",
    "general.file_type",
    "general.quantization_version",
    "llama.vocab_size",
    "llama.rope.dimension_count",
    "llama.rope.freq_base",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.chat_template",
  ]),
  ...withoutKey(either, ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"]),
];

/** Values of a type that the key cannot have. */
export const wrongTypes: Corruption[] = [
  ...set(refused, "general.architecture", {
    "as a number": number(7),
    "as an array": array("string", [string("llama")]),
  }),
  ...set(refused, "general.alignment", { "as a text": text("32") }),
  ...set(refused, "llama.block_count", {
    "as a text": text("2"),
    "as a float": float(2),
    "as an array": array("uint32", []),
  }),
  ...set(refused, "llama.embedding_length", { "as a boolean": typed("bool", Buffer.from([1])) }),
  ...set(refused, "llama.attention.head_count", { "as a text": text("4") }),
  ...set(refused, "llama.attention.layer_norm_rms_epsilon", { "as a text": text("1e-5"), "as a number": number(1) }),
  ...set(refused, "tokenizer.ggml.model", { "as a number": number(1) }),
  ...set(refused, "tokenizer.ggml.tokens", {
    "as a text": text("abc"),
    "as numbers": array("uint32", [uint32(1), uint32(2)]),
  }),
  ...set(either, "tokenizer.ggml.scores", { "as texts": array("string", [string("1")]), "as a number": number(1) }),
  ...set(either, "tokenizer.ggml.token_type", { "as floats": array("float32", [float32(1)]), "as a text": text("1") }),
  ...set(either, "tokenizer.ggml.bos_token_id", { "as a text": text("1") }),
  ...set(either, "tokenizer.ggml.add_bos_token", { "as a text": text("true") }),
  ...set(either, "tokenizer.chat_template", {
    "as a number": number(1),
    "as an array": array("string", [string("x")]),
  }),
  ...set(either, "general.name", { "as a number": number(1), "as an array": array("string", [string("x")]) }),
];

/** Values that make no sense. */
export const wrongValues: Corruption[] = [
  ...set(refused, "general.architecture", {
    unknown: text("nonsense"),
    empty: text(""),
    "of another model": text("mamba"),
  }),
  ...set(refused, "general.alignment", { zero: number(0), three: number(3) }),
  // The data may begin at a multiple of 64 by chance.
  ...set(either, "general.alignment", { "not the file's": number(64) }),
  ...set(refused, "llama.block_count", {
    zero: number(0),
    one: number(1),
    three: number(3),
    "a million": number(1_000_000),
    "the greatest": number(0xffffffff),
  }),
  ...set(refused, "llama.embedding_length", {
    zero: number(0),
    one: number(1),
    "of another model": number(512),
    "the greatest": number(0xffffffff),
  }),
  ...set(refused, "llama.feed_forward_length", { zero: number(0), "the greatest": number(0xffffffff) }),
  ...set(refused, "llama.attention.head_count", {
    zero: number(0),
    three: number(3),
    "the greatest": number(0xffffffff),
  }),
  ...set(refused, "llama.attention.head_count_kv", {
    zero: number(0),
    three: number(3),
    "more than heads": number(8),
    "the greatest": number(0xffffffff),
  }),
  ...set(either, "llama.context_length", { zero: number(0), "the greatest": number(0xffffffff) }),
  ...set(either, "llama.vocab_size", {
    zero: number(0),
    "of another model": number(100),
    "the greatest": number(0xffffffff),
  }),
  ...set(either, "llama.attention.layer_norm_rms_epsilon", {
    zero: float(0),
    negative: float(-1),
    NaN: float(NaN),
    infinite: float(Infinity),
  }),
  ...set(either, "llama.rope.dimension_count", {
    zero: number(0),
    odd: number(63),
    "the greatest": number(0xffffffff),
  }),
  ...set(either, "llama.rope.freq_base", { zero: float(0), NaN: float(NaN) }),
  ...set(either, "llama.attention.key_length", {
    zero: number(0),
    odd: number(63),
    "the greatest": number(0xffffffff),
  }),
  ...set(either, "llama.attention.value_length", { zero: number(0), odd: number(63) }),
  ...set(either, "llama.attention.sliding_window", { one: number(1), "the greatest": number(0xffffffff) }),
  ...set(either, "llama.expert_count", { eight: number(8), "the greatest": number(0xffffffff) }),
  ...set(either, "llama.expert_used_count", { eight: number(8) }),
  ...set(either, "general.file_type", { unknown: number(9999) }),
  ...set(either, "general.quantization_version", { unknown: number(9999) }),
  ...set(refused, "split.count", { two: typed("uint32", uint32(2)) }),
  ...set(either, "tokenizer.chat_template", {
    broken: text("{% for"),
    empty: text(""),
    long: text("x".repeat(1_000_000)),
    "with NUL": text("a\0b"),
  }),
];

const piece = (value: string): Buffer => string(value);

/** Vocabularies that do not fit the rest of the file, or themselves. */
export const vocabularies: Corruption[] = [
  ...set(refused, "tokenizer.ggml.model", { unknown: text("nonsense") }),
  ...set(either, "tokenizer.ggml.model", { "of another kind": text("gpt2"), none: text("no_vocab") }),
  ...set(either, "tokenizer.ggml.pre", { unknown: text("nonsense") }),
  ...set(refused, "tokenizer.ggml.tokens", {
    none: array("string", []),
    "a single one": array("string", [piece("a")]),
    "one fewer": array(
      "string",
      Array.from({ length: vocabularySize - 1 }, (_, token) => piece(`t${token}`)),
    ),
    "one more": array(
      "string",
      Array.from({ length: vocabularySize + 1 }, (_, token) => piece(`t${token}`)),
    ),
  }),
  ...set(either, "tokenizer.ggml.tokens", {
    "all alike": array("string", Array<Buffer>(vocabularySize).fill(piece("a"))),
    "all empty": array("string", Array<Buffer>(vocabularySize).fill(piece(""))),
    "that are no UTF-8": array("string", Array<Buffer>(vocabularySize).fill(string(Buffer.from([0xc3, 0x28])))),
  }),
  ...set(either, "tokenizer.ggml.scores", {
    "too few": array("float32", [float32(1)]),
    NaN: array("float32", Array<Buffer>(vocabularySize).fill(float32(NaN))),
  }),
  ...set(either, "tokenizer.ggml.token_type", {
    "too few": array("int32", [uint32(1)]),
    unknown: array("int32", Array<Buffer>(vocabularySize).fill(uint32(99))),
    "all control": array("int32", Array<Buffer>(vocabularySize).fill(uint32(3))),
  }),
  ...["bos", "eos", "unknown"].flatMap((name) =>
    set(either, `tokenizer.ggml.${name}_token_id`, {
      "out of range": number(vocabularySize),
      "the greatest": number(0xffffffff),
    }),
  ),
];
