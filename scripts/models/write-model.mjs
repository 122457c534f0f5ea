// Writes whole models to disk, tensor by tensor, in little memory.

import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { temporaryName } from "../lib/files.mjs";
import { ChunkWriter } from "./chunk-writer.mjs";
import { encodeHeader, paddingOf, rowBytes, rowCount, tensorBytes } from "./gguf.mjs";
import { metadataOf } from "./metadata.mjs";
import { SHAPES } from "./shapes.mjs";
import { loadVocabulary } from "./vocabulary.mjs";
import { RandomWeights } from "./weights.mjs";

/** Bytes handed to the file system at a time. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * @typedef {import("./tensors.mjs").ModelTensor} Tensor
 * @typedef {import("./gguf.mjs").Metadata} Metadata
 *
 * @typedef {object} ModelOptions
 * @property {import("./shapes.mjs").ShapeName} shape
 * @property {import("./metadata.mjs").FileType} type one of the shape's
 * @property {number} seed
 * @property {number} split how many files to spread the tensors over; 1 for a single file
 * @property {boolean} vocabularyOnly write no tensors
 */

/**
 * @param {string} path with a split, the files are `<path less .gguf>-00001-of-0000N.gguf`
 * @param {ModelOptions} options
 * @returns {Promise<string[]>} the files written
 */
export async function writeModel(path, { shape: name, type, seed, split, vocabularyOnly }) {
  /** @type {import("./shapes.mjs").Shape} */
  const shape = SHAPES[name];
  if (!shape.types.includes(type)) {
    throw new Error(`Expected ${shape.types.join(" or ")} for the type of ${name} but received ${type}`);
  }
  const metadata = metadataOf(shape, type, await loadVocabulary());
  const tensors = vocabularyOnly ? [] : shape.tensors(type);
  const weights = new RandomWeights(seed);
  await mkdir(dirname(path), { recursive: true });
  const parts = partition(tensors, split);
  const paths = partPaths(path, split);
  for (const [index, part] of parts.entries()) {
    // As llama.cpp's own splitter has it: the first part alone carries the model's metadata.
    const own = index === 0 ? metadata : [];
    const shared = split === 1 ? [] : splitMetadata(index, split, tensors.length);
    await writePart(paths[index] ?? path, [...own, ...shared], part, weights);
  }
  return paths;
}

/**
 * Cuts the list into parts of about the same number of bytes.
 * @param {Tensor[]} tensors
 * @param {number} count
 */
function partition(tensors, count) {
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  /** @type {Tensor[][]} */
  const parts = Array.from({ length: count }, () => []);
  let before = 0;
  for (const tensor of tensors) {
    const middle = before + tensorBytes(tensor) / 2;
    parts[Math.min(count - 1, Math.floor((middle / total) * count))]?.push(tensor);
    before += tensorBytes(tensor);
  }
  return parts;
}

/**
 * The files of a model that is spread over `count` files.
 * @param {string} path
 * @param {number} count
 */
export function partPaths(path, count) {
  if (count === 1) return [path];
  const digits = (/** @type {number} */ value) => String(value).padStart(5, "0");
  const prefix = path.replace(/\.gguf$/, "");
  return Array.from({ length: count }, (_, index) => `${prefix}-${digits(index + 1)}-of-${digits(count)}.gguf`);
}

/**
 * @param {number} index
 * @param {number} count
 * @param {number} tensors
 * @returns {Metadata}
 */
function splitMetadata(index, count, tensors) {
  return [
    ["split.no", { kind: "uint16", value: index }],
    ["split.count", { kind: "uint16", value: count }],
    ["split.tensors.count", { kind: "int32", value: tensors }],
  ];
}

/**
 * @param {string} path
 * @param {Metadata} metadata
 * @param {Tensor[]} tensors
 * @param {RandomWeights} weights
 */
async function writePart(path, metadata, tensors, weights) {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(encodeHeader(metadata, tensors));
      const writer = new ChunkWriter(file, CHUNK_BYTES);
      for (const tensor of tensors) await writeTensor(writer, tensor, weights);
      await writer.finish();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * @param {ChunkWriter} writer
 * @param {Tensor} tensor
 * @param {RandomWeights} weights
 */
async function writeTensor(writer, tensor, weights) {
  const copyRow = weights.rowsOf(tensor);
  const bytes = rowBytes(tensor);
  for (let row = 0; row < rowCount(tensor); row++) {
    if (!writer.hasRoom(bytes)) await writer.flush();
    writer.add(bytes, (target, offset) => copyRow(row, target, offset));
  }
  const padding = paddingOf(tensorBytes(tensor));
  if (!writer.hasRoom(padding)) await writer.flush();
  writer.add(padding, (target, offset) => target.fill(0, offset, offset + padding));
}
