// Writes a copy of a model whose weights are 32-bit numbers, of exactly the values that the quantized ones stand for. Beside
// such weights the CPU computes without rounding activations, so that it says what a quantized model's answer ought to be.

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { ALIGNMENT, paddingOf, tensorBytes } from "../models/gguf.mjs";

/** @typedef {{ name: string, type: string, shape: number[], sizeBytes: number, offsetBytes: number }} Tensor */

const F32 = 0;
/** Numbers and bytes of a block, and what its bytes stand for. */
const BLOCKS = {
  q4_1: { numbers: 32, bytes: 20, read: readQ41 },
  q8_0: { numbers: 32, bytes: 34, read: readQ80 },
};

/**
 * @param {string} source of one file
 * @param {Tensor[]} tensors of it, in its order
 * @param {string} target
 * @throws {RangeError} for a type of weights that is not known here
 */
export function dequantizeModel(source, tensors, target) {
  const file = readFileSync(source);
  const header = encodeHeader(file, tensors);
  const output = openSync(target, "w");
  try {
    writePadded(output, header);
    for (const tensor of tensors) writePadded(output, dequantize(tensor, file));
  } finally {
    closeSync(output);
  }
}

/**
 * @param {Tensor} tensor
 * @param {Buffer} file
 * @returns {Buffer} its numbers in 32 bits
 */
export function dequantize({ name, type, offsetBytes, sizeBytes }, file) {
  const bytes = file.subarray(offsetBytes, offsetBytes + sizeBytes);
  if (type === "f32") return bytes;
  const block = BLOCKS[/** @type {keyof typeof BLOCKS} */ (type)];
  if (block === undefined) {
    throw new RangeError(
      `Expected weights of the types f32, ${Object.keys(BLOCKS).join(", ")}, but ${name} is ${type}`,
    );
  }
  const numbers = new Float32Array((sizeBytes / block.bytes) * block.numbers);
  for (let at = 0, into = 0; at < sizeBytes; at += block.bytes, into += block.numbers) {
    block.read(bytes.subarray(at, at + block.bytes), numbers.subarray(into, into + block.numbers));
  }
  return Buffer.from(numbers.buffer);
}

/** A scale and an offset of 16 bits, then the low halves of all numbers and the high ones. @param {Buffer} block @param {Float32Array} into */
function readQ41(block, into) {
  const [scale, least] = [readFloat16(block, 0), readFloat16(block, 2)];
  for (let i = 0; i < 16; i++) {
    const pair = block[4 + i] ?? 0;
    into[i] = scale * (pair & 15) + least;
    into[i + 16] = scale * (pair >> 4) + least;
  }
}

/** @param {Buffer} block @param {Float32Array} into */
function readQ80(block, into) {
  const scale = readFloat16(block, 0);
  for (let i = 0; i < 32; i++) into[i] = scale * block.readInt8(2 + i);
}

/** @param {Buffer} bytes @param {number} at */
function readFloat16(bytes, at) {
  const bits = bytes.readUInt16LE(at);
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** The metadata as they stand, and what there is of tensors anew. @param {Buffer} file @param {Tensor[]} tensors */
function encodeHeader(file, tensors) {
  const first = Buffer.from(tensors[0]?.name ?? "");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(first.length));
  const start = file.lastIndexOf(Buffer.concat([length, first]), tensors[0]?.offsetBytes);
  const parts = [file.subarray(0, start)];
  let offset = 0;
  for (const { name, shape } of tensors) {
    parts.push(encodeTensor(name, shape, offset));
    const bytes = tensorBytes({ name, shape, type: "f32" });
    offset += bytes + paddingOf(bytes);
  }
  return Buffer.concat(parts);
}

/** @param {string} name @param {number[]} shape @param {number} offset from where the data begin */
function encodeTensor(name, shape, offset) {
  const text = Buffer.from(name);
  const bytes = Buffer.alloc(8 + text.length + 4 + 8 * shape.length + 4 + 8);
  let at = bytes.writeBigUInt64LE(BigInt(text.length));
  at += text.copy(bytes, at);
  at = bytes.writeUInt32LE(shape.length, at);
  for (const size of shape) at = bytes.writeBigUInt64LE(BigInt(size), at);
  at = bytes.writeUInt32LE(F32, at);
  bytes.writeBigUInt64LE(BigInt(offset), at);
  return bytes;
}

/** @param {number} output @param {Buffer} bytes */
function writePadded(output, bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at);
  const padding = (ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT;
  if (padding > 0) writeSync(output, Buffer.alloc(padding));
}
