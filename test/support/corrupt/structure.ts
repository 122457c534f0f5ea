import type { Corruption } from "./corruption.js";
import { either, loads, refused } from "./corruption.js";
import { array, string, typed, uint32, uint64 } from "./gguf.js";
import { firstKeyAt, keyCountAt, tensorCountAt } from "./layout.js";

const tokens = "tokenizer.ggml.tokens";
const scores = "tokenizer.ggml.scores";

/** Files that end too early, or are longer than they should be. */
export const truncations: Corruption[] = [
  ...[1, 3, 4, 6, 8, 12, 16, 20, 24, 28, 36, 48, 100].map((length) =>
    refused(`cut off after ${length} bytes`, (model) => model.cut(length)),
  ),
  refused("cut off in the vocabulary", (model) => model.cut(model.entry(tokens).valueAt + 100_003)),
  refused("cut off in the scores", (model) => model.cut(model.entry(scores).valueAt + 5)),
  refused("cut off behind the metadata", (model) => model.cut(model.layout.tensorList.start)),
  refused("cut off in a tensor's name", (model) => model.cut(model.tensor("blk.0.attn_q.weight").start + 12)),
  refused("cut off in a tensor's shape", (model) => model.cut(model.tensor("blk.0.attn_q.weight").dimensionsAt + 7)),
  refused("cut off behind the header", (model) => model.cut(model.layout.dataStart)),
  refused("cut off in the first tensor's data", (model) => model.cut(model.layout.dataStart + 1000)),
  refused("cut off in the middle", (model) => model.cut(model.bytes.length / 2)),
  refused("cut off before the last tensor's data", (model) => model.cut(model.layout.tensors.at(-1)!.dataAt)),
  refused("cut off by one byte", (model) => model.cut(-1)),
  loads("followed by other bytes", (model) => Buffer.concat([model.bytes, Buffer.alloc(1000, 0xaa)])),
  loads("twice in a row", (model) => Buffer.concat([model.bytes, model.bytes])),
];

/** A header that is not one, or not of this version. */
export const headers: Corruption[] = [
  ...["gguf", "FUGG", "GGUX", "GGML", "\0\0\0\0"].map((magic) =>
    refused(`magic ${JSON.stringify(magic)}`, (model) => model.patched(0, Buffer.from(magic))),
  ),
  ...[0, 1, 4, 100, 0xffffffff, 0x03000000].map((version) =>
    refused(`version ${version}`, (model) => model.patched(4, uint32(version))),
  ),
  loads("version 2", (model) => model.patched(4, uint32(2))),
];

const absurd = [2n ** 63n, 2n ** 64n - 1n, 2n ** 62n, 2n ** 32n, 2n ** 24n];

/** Counts and lengths that the file cannot have. */
export const counts: Corruption[] = [
  ...absurd.flatMap((count) => [
    refused(`${count} tensors`, (model) => model.patched(tensorCountAt, uint64(count))),
    refused(`${count} keys`, (model) => model.patched(keyCountAt, uint64(count))),
    refused(`a key of ${count} bytes`, (model) => model.patched(firstKeyAt, uint64(count))),
    refused(`a value of ${count} bytes`, (model) => model.patched(model.entry("general.name").valueAt, uint64(count))),
    refused(`a token of ${count} bytes`, (model) => model.patched(model.entry(tokens).valueAt, uint64(count))),
    refused(`an array of ${count} tokens`, (model) => model.patched(model.entry(tokens).valueAt - 8, uint64(count))),
    refused(`an array of ${count} scores`, (model) => model.patched(model.entry(scores).valueAt - 8, uint64(count))),
    refused(`a tensor's name of ${count} bytes`, (model) =>
      model.patched(model.layout.tensors[3]!.start, uint64(count)),
    ),
  ]),
  refused("no tensors", (model) => model.patched(tensorCountAt, uint64(0))),
  // The last one is the output matrix, for which the embeddings can stand in.
  either("one tensor fewer", (model) => model.patched(tensorCountAt, uint64(model.layout.tensors.length - 1))),
  refused("one tensor more", (model) => model.patched(tensorCountAt, uint64(model.layout.tensors.length + 1))),
  refused("no keys", (model) => model.patched(keyCountAt, uint64(0))),
  refused("one key fewer", (model) => model.patched(keyCountAt, uint64(model.layout.metadata.length - 1))),
  refused("one key more", (model) => model.patched(keyCountAt, uint64(model.layout.metadata.length + 1))),
  refused("an empty key", (model) => model.spliced(keyText(model.layout.metadata[2]!), string(""))),
  refused("a key twice", (model) =>
    model.spliced(keyText(model.entry("llama.block_count")), string("llama.context_length")),
  ),
  refused("a value of unknown type", (model) => model.patched(model.entry("general.name").typeAt, uint32(13))),
  refused("a value of negative type", (model) => model.patched(model.entry("general.name").typeAt, uint32(0xffffffff))),
  refused("an array of unknown type", (model) => model.patched(model.entry(scores).typeAt + 4, uint32(99))),
  refused("an array of arrays", (model) => model.withValue("extra.nested", array("array", [array("uint8", [])]))),
  loads("an empty array", (model) => model.withValue("extra.empty", array("uint8", []))),
  loads("an unknown key", (model) => model.withValue("extra.text", typed("string", string("text")))),
  either("a key that is no UTF-8", (model) =>
    model.withValue("extra", typed("string", string(Buffer.from([0xff, 0xfe, 0])))),
  ),
];

function keyText(entry: { start: number; typeAt: number }): { start: number; end: number } {
  return { start: entry.start, end: entry.typeAt };
}
