// How near one backend's logits are to another's, position by position.

/**
 * @typedef {object} Likeness
 * @property {number} likeliestEqual share of positions whose likeliest token is the same
 * @property {number} divergence mean Kullback-Leibler divergence from the reference, in nats
 * @property {number} leastCosine least cosine between the two rows of a position
 */

/**
 * @param {Float32Array} reference row by row, each of `size` logits
 * @param {Float32Array} other
 * @param {number} size
 * @returns {Likeness}
 * @throws {RangeError} where the two are not whole rows, or not as many
 */
export function compareLogits(reference, other, size) {
  if (reference.length !== other.length || reference.length === 0 || reference.length % size !== 0) {
    throw new RangeError(`Expected as many rows of ${size} logits, but got ${reference.length} and ${other.length}`);
  }
  const count = reference.length / size;
  let equal = 0;
  let divergence = 0;
  let leastCosine = 1;
  for (let row = 0; row < count; row++) {
    const one = reference.subarray(row * size, (row + 1) * size);
    const two = other.subarray(row * size, (row + 1) * size);
    if (likeliest(one) === likeliest(two)) equal++;
    divergence += rowDivergence(one, two) / count;
    leastCosine = Math.min(leastCosine, cosine(one, two));
  }
  return { likeliestEqual: equal / count, divergence, leastCosine };
}

/**
 * The share of tokens before the first that differs, over all texts.
 * @param {number[][]} reference
 * @param {number[][]} other
 */
export function sharedStart(reference, other) {
  let shared = 0;
  let all = 0;
  for (const [index, tokens] of reference.entries()) {
    const different = tokens.findIndex((token, position) => token !== other[index]?.[position]);
    shared += different < 0 ? tokens.length : different;
    all += tokens.length;
  }
  return shared / all;
}

/**
 * Matrix products that ggml's Vulkan backend computed, by what its own log of timings says (`GGML_VK_PERF_LOGGER`).
 * @param {string} log
 */
export function countProducts(log) {
  return [...log.matchAll(/^.*MUL_MAT.*?: (\d+) x /gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/**
 * The devices of a model's layers and of its output behind them, by what llama.cpp's log says.
 * @param {string} log
 */
export function readAssignments(log) {
  return [...log.matchAll(/layer\s+(\d+) assigned to device (\w+)/g)]
    .sort(([, one], [, two]) => Number(one) - Number(two))
    .map(([, , device = ""]) => device);
}

/** @param {Float32Array} row */
function likeliest(row) {
  return row.reduce((best, value, index) => (value > (row[best] ?? -Infinity) ? index : best), 0);
}

/** @param {Float32Array} one @param {Float32Array} two */
function rowDivergence(one, two) {
  const [logOne, logTwo] = [logSum(one), logSum(two)];
  return one.reduce((sum, value, index) => {
    const logarithm = value - logOne;
    return sum + Math.exp(logarithm) * (logarithm - ((two[index] ?? 0) - logTwo));
  }, 0);
}

/** @param {Float32Array} row */
function logSum(row) {
  const most = row.reduce((best, value) => Math.max(best, value), -Infinity);
  return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

/** @param {Float32Array} one @param {Float32Array} two */
function cosine(one, two) {
  let [product, squareOne, squareTwo] = [0, 0, 0];
  for (const [index, value] of one.entries()) {
    const other = two[index] ?? 0;
    product += value * other;
    squareOne += value * value;
    squareTwo += other * other;
  }
  return product / Math.sqrt(squareOne * squareTwo);
}
