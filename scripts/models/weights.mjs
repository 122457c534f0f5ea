// The rows of tensors with random weights. Rows are cut out of a pool of random units, each at another place, as
// drawing billions of random numbers would take minutes.

import { fillUnits, UNIT_ELEMENTS } from "./blocks.mjs";
import { rowCount, TENSOR_TYPE } from "./gguf.mjs";
import { randomNumbers } from "./random.mjs";

/** Units in a pool: a prime, so that stepping through it by any stride comes to every unit before the first again. */
const POOL_UNITS = 32749;

/**
 * @typedef {import("./gguf.mjs").Tensor} Tensor
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
   * @param {Tensor & { type: "f16" | "q4_0" | "q4_k" | "q6_k" }} tensor
   * @param {number} deviation the weights' standard deviation
   * @returns {CopyRow} no two rows of a tensor are the same
   */
  rowsOf(tensor, deviation) {
    if (rowCount(tensor) > POOL_UNITS) throw new Error(`Expected at most ${POOL_UNITS} rows for ${tensor.name}`);
    const units = (tensor.shape[0] ?? 0) / UNIT_ELEMENTS;
    if (!Number.isInteger(units))
      throw new Error(`Expected a multiple of ${UNIT_ELEMENTS} for the width of ${tensor.name}`);
    const unitBytes = unitBytesOf(tensor.type);
    const pool = this.#pool(tensor.type, deviation);
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
   * @param {"f16" | "q4_0" | "q4_k" | "q6_k"} type
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

/** @param {import("./gguf.mjs").TensorType} type */
function unitBytesOf(type) {
  return (UNIT_ELEMENTS / TENSOR_TYPE[type].elements) * TENSOR_TYPE[type].bytes;
}
