import type { Corruption } from "./corruption.js";
import { either, loads, refused } from "./corruption.js";
import type { Gguf } from "./gguf.js";
import { string, uint32, uint64 } from "./gguf.js";

const query = "blk.0.attn_q.weight";
const lengths = [0n, 2n ** 64n - 1n, 2n ** 63n, 2n ** 62n, 2n ** 40n, 255n, 512n];

function renamed(model: Gguf, name: string, other: string): Buffer {
  const tensor = model.tensor(name);
  return model.spliced({ start: tensor.start, end: tensor.dimensionsAt }, string(other));
}

function reshaped(model: Gguf, name: string, shape: readonly (number | bigint)[]): Buffer {
  const tensor = model.tensor(name);
  const bytes = Buffer.concat([uint32(shape.length), ...shape.map(uint64)]);
  return model.spliced({ start: tensor.dimensionsAt, end: tensor.typeAt }, bytes);
}

/** Entries of the tensor list that do not fit the model, the file or each other. */
export const tensorList: Corruption[] = [
  ...["token_embd.weight", query, "blk.1.ffn_down.weight", "blk.1.attn_norm.weight", "output_norm.weight"].map((name) =>
    refused(`without tensor ${name}`, (model) => model.withoutTensor(name)),
  ),
  // The embeddings then serve as output, as in models that share them.
  loads("without tensor output.weight", (model) => model.withoutTensor("output.weight")),
  refused("a tensor twice", (model) => renamed(model, query, "blk.0.attn_k.weight")),
  refused("a tensor of unknown name", (model) => renamed(model, query, "blk.0.nonsense.weight")),
  refused("a tensor without a name", (model) => renamed(model, query, "")),
  refused("a tensor with a name of 64 bytes", (model) => renamed(model, query, "x".repeat(64))),
  refused("a tensor of a layer that does not exist", (model) => renamed(model, query, "blk.7.attn_q.weight")),
  ...[0, 5, 1000, 0xffffffff].map((count) =>
    refused(`a tensor of ${count} dimensions`, (model) =>
      model.patched(model.tensor(query).dimensionsAt, uint32(count)),
    ),
  ),
  ...lengths.flatMap((length) => [
    refused(`a tensor of ${length} columns`, (model) =>
      model.patched(model.tensor(query).dimensionsAt + 4, uint64(length)),
    ),
    refused(`a tensor of ${length} rows`, (model) =>
      model.patched(model.tensor(query).dimensionsAt + 12, uint64(length)),
    ),
  ]),
  refused("a tensor of 2^32 × 2^32 elements", (model) => reshaped(model, query, [2n ** 32n, 2n ** 32n])),
  refused("a tensor of four huge dimensions", (model) => reshaped(model, query, Array<bigint>(4).fill(2n ** 20n))),
  refused("a tensor turned by 90 degrees", (model) => reshaped(model, "blk.0.ffn_down.weight", [256, 512])),
  refused("a tensor of one dimension", (model) => reshaped(model, query, [256 * 256])),
  refused("a tensor of three dimensions", (model) => reshaped(model, query, [256, 128, 2])),
  refused("embeddings for fewer tokens", (model) => reshaped(model, "token_embd.weight", [256, 31_999])),
  refused("a norm of another width", (model) => reshaped(model, "output_norm.weight", [128])),
  ...[4, 5, 36, 255, 0x7fffffff, 0x80000000, 0xffffffff].map((type) =>
    refused(`a tensor of type ${type}`, (model) => model.patched(model.tensor(query).typeAt, uint32(type))),
  ),
  refused("a tensor of a larger type", (model) => model.patched(model.tensor(query).typeAt, uint32(0))),
  either("a tensor of a smaller type", (model) => model.patched(model.tensor("output.weight").typeAt, uint32(12))),
  either("a norm of integers", (model) => model.patched(model.tensor("output_norm.weight").typeAt, uint32(26))),
  ...[2n ** 63n, 2n ** 64n - 32n, 2n ** 40n, 2n ** 64n - 1n, 1n, 31n].map((offset) =>
    refused(`a tensor at offset ${offset}`, (model) => model.patched(model.tensor(query).offsetAt, uint64(offset))),
  ),
  either("two tensors at one place", (model) => model.patched(model.tensor(query).offsetAt, uint64(0))),
];

const notANumber16 = 0x7e00;
const infinity16 = 0x7c00;

/** Fills the scales of a tensor's blocks: 16-bit numbers at fixed places. */
function scales(model: Gguf, name: string, blockBytes: number, at: number, bits: number): Buffer {
  return model.withTensorData(name, (data) => {
    for (let block = 0; block + blockBytes <= data.length; block += blockBytes) data.writeUInt16LE(bits, block + at);
  });
}

/** Weights that are no sensible numbers. */
export const weights: Corruption[] = [
  either("NaN in every block of a matrix", (model) => scales(model, query, 144, 0, notANumber16)),
  either("infinity in every block of a matrix", (model) => scales(model, query, 144, 0, infinity16)),
  either("NaN in the embeddings", (model) => scales(model, "token_embd.weight", 144, 0, notANumber16)),
  either("NaN in the output matrix", (model) => scales(model, "output.weight", 210, 208, notANumber16)),
  either("infinity in the output matrix", (model) => scales(model, "output.weight", 210, 208, infinity16)),
  either("NaN in a norm", (model) => model.withTensorData("output_norm.weight", (data) => data.fill(0xff))),
  either("all weights zero", (model) => withData(model, 0)),
  either("all weights' bits set", (model) => withData(model, 0xff)),
];

function withData(model: Gguf, byte: number): Buffer {
  const copy = Buffer.from(model.bytes);
  copy.fill(byte, model.layout.dataStart);
  return copy;
}
