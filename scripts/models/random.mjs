// A small, fast generator of random numbers with a seed (sfc32), so that the same seed always gives the same file.

/**
 * @param {number} seed
 * @param {string} stream names what the numbers are for: streams of one seed are independent
 * @returns {() => number} the next unsigned 32-bit number
 */
export function randomNumbers(seed, stream) {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = hash(stream);
  let counter = 1;
  const next = () => {
    const result = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + result) >>> 0;
    return result;
  };
  for (let round = 0; round < 16; round++) next();
  return next;
}

/** One sample of the standard normal distribution (Box–Muller). @param {() => number} next */
export function normal(next) {
  const radius = Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32));
  return radius * Math.cos((2 * Math.PI * next()) / 2 ** 32);
}

/** FNV-1a. @param {string} text */
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
