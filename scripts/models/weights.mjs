// The rows of tensors: random weights, or weights by their place. Rows of compact types are cut out of a pool of random
// units, each at another place, as drawing billions of random numbers would take minutes.

import { fillUnits, UNIT_ELEMENTS } from "./blocks.mjs";
import { rowCount, TENSOR_TYPE } from "./gguf.mjs";
import { normal, randomNumbers } from "./random.mjs";

/** Units in a pool: a prime, so that stepping through it by any stride comes to every unit before the first again. */
const POOL_UNITS = 32749;

/**
 * @typedef {import("./gguf.mjs").TensorType} TensorType
 * @typedef {import("./tensors.mjs").ModelTensor} ModelTensor
 * @typedef {(row: number, target: Buffer, offset: number) => void} CopyRow
 */

export class RandomWeights {
  /** @type {Map<string, Buffer>} */
  #pools = new Map();
  #seed;

  /** @param {number} seed */
  constructor(seed) {
    this.#seed = seed;
  }

  /**
   * @param {ModelTensor} tensor
   * @returns {CopyRow} to be called for the rows one after the other; no two rows of random weights are the same
   */
  rowsOf(tensor) {
    const { type, weights } = tensor;
    if (type !== "f32") {
      if (typeof weights === "function")
        throw new Error(`Expected the type f32 for ${tensor.name} but received ${type}`);
      return this.#pooledRows(tensor, type, weights);
    }
    if (typeof weights === "function") return floatRows(tensor, weights);
    const next = randomNumbers(this.#seed, tensor.name);
    return floatRows(tensor, () => weights * normal(next));
  }

  /**
   * @param {ModelTensor} tensor
   * @param {Exclude<TensorType, "f32">} type
   * @param {number} deviation
   * @returns {CopyRow}
   */
  #pooledRows(tensor, type, deviation) {
    if (rowCount(tensor) > POOL_UNITS) throw new Error(`Expected at most ${POOL_UNITS} rows for ${tensor.name}`);
    const units = (tensor.shape[0] ?? 0) / UNIT_ELEMENTS;
    if (!Number.isInteger(units))
      throw new Error(`Expected a multiple of ${UNIT_ELEMENTS} for the width of ${tensor.name}`);
    const unitBytes = unitBytesOf(type);
    const pool = this.#pool(type, deviation);
    const next = randomNumbers(this.#seed, tensor.name);
    const start = next() % POOL_UNITS;
    const stride = 1 + (next() % (POOL_UNITS - 1));
    return (row, target, offset) => {
      const first = (start + row * stride) % POOL_UNITS;
      const fitting = Math.min(units, POOL_UNITS - first);
      pool.copy(target, offset, first * unitBytes, (first + fitting) * unitBytes);
      pool.copy(target, offset + fitting * unitBytes, 0, (units - fitting) * unitBytes);
    };
  }

  /**
   * @param {Exclude<TensorType, "f32">} type
   * @param {number} deviation
   */
  #pool(type, deviation) {
    const key = `${type} ${deviation}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = Buffer.alloc(POOL_UNITS * unitBytesOf(type));
      fillUnits[type](pool, deviation, randomNumbers(this.#seed, key));
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

/**
 * @param {ModelTensor} tensor
 * @param {(column: number) => number} weight
 * @returns {CopyRow}
 */
function floatRows({ shape }, weight) {
  const width = shape[0] ?? 0;
  return (_row, target, offset) => {
    for (let column = 0; column < width; column++) target.writeFloatLE(weight(column), offset + 4 * column);
  };
}

/** @param {TensorType} type */
function unitBytesOf(type) {
  return (UNIT_ELEMENTS / TENSOR_TYPE[type].elements) * TENSOR_TYPE[type].bytes;
}
