// Writes the header of a GGUF v3 file. The tensors' data follows it, each tensor at a multiple of ALIGNMENT.

export const ALIGNMENT = 32;

const MAGIC = "GGUF";
const VERSION = 3;

/** GGUF's numbers of the metadata types that are written here. */
const VALUE_TYPE = { uint16: 2, uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

/**
 * How tensors of each type are stored: ggml's number, elements a block and bytes a block.
 * @satisfies {Record<string, { id: number, elements: number, bytes: number }>}
 */
export const TENSOR_TYPE = {
  f32: { id: 0, elements: 1, bytes: 4 },
  f16: { id: 1, elements: 1, bytes: 2 },
  q4_0: { id: 2, elements: 32, bytes: 18 },
  q8_0: { id: 8, elements: 32, bytes: 34 },
  q4_k: { id: 12, elements: 256, bytes: 144 },
  q5_k: { id: 13, elements: 256, bytes: 176 },
  q6_k: { id: 14, elements: 256, bytes: 210 },
};

/**
 * @typedef {keyof typeof TENSOR_TYPE} TensorType
 * @typedef {{ name: string, shape: number[], type: TensorType }} Tensor `shape` as in ggml, the row length first
 * @typedef {{ kind: "uint16" | "uint32" | "int32" | "float32", value: number }
 *   | { kind: "bool", value: boolean }
 *   | { kind: "string", value: string }
 *   | { kind: "strings", value: string[] }
 *   | { kind: "floats", value: number[] }
 *   | { kind: "ints", value: number[] }} MetadataValue
 * @typedef {[key: string, value: MetadataValue][]} Metadata
 */

/** @param {Tensor} tensor */
export function rowBytes({ name, shape, type }) {
  const { elements, bytes } = TENSOR_TYPE[type];
  const width = shape[0] ?? 1;
  if (width % elements !== 0)
    throw new Error(`Expected a multiple of ${elements} for the width of ${name} but received ${width}`);
  return (width / elements) * bytes;
}

/** @param {Tensor} tensor */
export function rowCount({ shape }) {
  return shape.slice(1).reduce((rows, length) => rows * length, 1);
}

/** @param {Tensor} tensor */
export function tensorBytes(tensor) {
  return rowBytes(tensor) * rowCount(tensor);
}

/** @param {number} bytes */
export function paddingOf(bytes) {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

/**
 * The header with its padding: the first tensor's data goes right behind it.
 * @param {Metadata} metadata
 * @param {Tensor[]} tensors in the order of their data
 */
export function encodeHeader(metadata, tensors) {
  /** @type {Buffer[]} */
  const parts = [Buffer.from(MAGIC), uint32(VERSION), uint64(tensors.length), uint64(metadata.length)];
  for (const [key, value] of metadata) parts.push(string(key), ...encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(string(tensor.name), uint32(tensor.shape.length), ...tensor.shape.map(uint64));
    parts.push(uint32(TENSOR_TYPE[tensor.type].id), uint64(offset));
    const bytes = tensorBytes(tensor);
    offset += bytes + paddingOf(bytes);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(paddingOf(header.length))]);
}

/**
 * @param {MetadataValue} entry
 * @returns {Buffer[]}
 */
function encodeValue(entry) {
  switch (entry.kind) {
    case "strings":
      return [...arrayStart(VALUE_TYPE.string, entry.value.length), ...entry.value.map(string)];
    case "floats":
      return [...arrayStart(VALUE_TYPE.float32, entry.value.length), littleEndian(new Float32Array(entry.value))];
    case "ints":
      return [...arrayStart(VALUE_TYPE.int32, entry.value.length), littleEndian(new Int32Array(entry.value))];
    case "string":
      return [uint32(VALUE_TYPE.string), string(entry.value)];
    case "bool":
      return [uint32(VALUE_TYPE.bool), Buffer.from([entry.value ? 1 : 0])];
    default:
      return [uint32(VALUE_TYPE[entry.kind]), number(entry.kind, entry.value)];
  }
}

/**
 * @param {number} type
 * @param {number} length
 */
function arrayStart(type, length) {
  return [uint32(VALUE_TYPE.array), uint32(type), uint64(length)];
}

/**
 * @param {"uint16" | "uint32" | "int32" | "float32"} kind
 * @param {number} value
 */
function number(kind, value) {
  const buffer = Buffer.alloc(kind === "uint16" ? 2 : 4);
  if (kind === "uint16") buffer.writeUInt16LE(value);
  else if (kind === "uint32") buffer.writeUInt32LE(value);
  else if (kind === "int32") buffer.writeInt32LE(value);
  else buffer.writeFloatLE(value);
  return buffer;
}

/** @param {string} text */
function string(text) {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([uint64(bytes.length), bytes]);
}

/** @param {number} value */
function uint32(value) {
  return number("uint32", value);
}

/** @param {number} value */
function uint64(value) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

/**
 * The elements' bytes, which the machine must keep in GGUF's order; every one that Node runs on does.
 * @param {Float32Array | Int32Array} values
 */
function littleEndian(values) {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
