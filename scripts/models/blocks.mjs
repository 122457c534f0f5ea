// Random weights in the storage formats of ggml (see ggml-common.h): every bit pattern written is a valid block, its
// weights have mean 0 and the standard deviation asked for.

import { float16Bits } from "./float16.mjs";
import { normal } from "./random.mjs";

/** Elements in one unit: the largest block size, so that a unit is a whole number of blocks of every type. */
export const UNIT_ELEMENTS = 256;

/**
 * @typedef {() => number} RandomNumbers the next unsigned 32-bit number
 * @typedef {(bytes: Buffer, deviation: number, next: RandomNumbers) => void} Fill fills whole units
 * @type {Record<"f16" | "q4_0" | "q8_0" | "q4_k" | "q5_k" | "q6_k", Fill>}
 */
export const fillUnits = { f16: fillF16, q4_0: fillQ40, q8_0: fillQ80, q4_k: fillQ4K, q5_k: fillQ5K, q6_k: fillQ6K };

/** @type {Fill} */
function fillF16(bytes, deviation, next) {
  const table = new Uint16Array(65536).map(() => float16Bits(deviation * normal(next)));
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const random = next();
    bytes.writeUInt16LE(table[random & 0xffff] ?? 0, offset);
    bytes.writeUInt16LE(table[random >>> 16] ?? 0, offset + 2);
  }
}

/**
 * 18 bytes: scale d (f16), 32 × 4-bit q; weight = d (q − 8). q − 8 has mean −½, which d's random sign evens out.
 * @type {Fill}
 */
function fillQ40(bytes, deviation, next) {
  const scale = deviation / rootMeanSquare(-8, 7);
  fillRandom(bytes, next);
  for (let block = 0; block < bytes.length; block += 18) {
    const sign = next() & 1 ? 1 : -1;
    bytes.writeUInt16LE(float16Bits(sign * scale * jitter(next)), block);
  }
}

/**
 * 34 bytes: scale d (f16), 32 × int8 q; weight = d q. q has mean −½, which d's random sign evens out.
 * @type {Fill}
 */
function fillQ80(bytes, deviation, next) {
  const scale = deviation / rootMeanSquare(-128, 127);
  fillRandom(bytes, next);
  for (let block = 0; block < bytes.length; block += 34) {
    const sign = next() & 1 ? 1 : -1;
    bytes.writeUInt16LE(float16Bits(sign * scale * jitter(next)), block);
  }
}

/**
 * 144 bytes: scales d and dmin (f16), 8 pairs of 6-bit scale s and minimum m in 12 bytes, 256 × 4-bit q;
 * weight = d s q − dmin m. With m = s and dmin = 7.5 d it is d s (q − 7.5).
 * @type {Fill}
 */
function fillQ4K(bytes, deviation, next) {
  fillWithMinimums(bytes, 144, 15, deviation, next);
}

/**
 * 176 bytes: as Q4_K with 256 × 5-bit q, of which the fifth bits come first, in 32 bytes. With dmin = 15.5 d it is
 * d s (q − 15.5).
 * @type {Fill}
 */
function fillQ5K(bytes, deviation, next) {
  fillWithMinimums(bytes, 176, 31, deviation, next);
}

/**
 * @param {Buffer} bytes
 * @param {number} size of a block
 * @param {number} greatest q
 * @param {number} deviation
 * @param {RandomNumbers} next
 */
function fillWithMinimums(bytes, size, greatest, deviation, next) {
  const middle = greatest / 2;
  const scale = deviation / (rootMeanSquare(32, 63) * rootMeanSquare(-middle, middle));
  fillRandom(bytes, next);
  for (let block = 0; block < bytes.length; block += size) {
    const d = scale * jitter(next);
    bytes.writeUInt16LE(float16Bits(d), block);
    bytes.writeUInt16LE(float16Bits(middle * d), block + 2);
    writeScales(bytes, block + 4, next);
  }
}

/**
 * Eight scales of 32 to 63, each also as its sub-block's minimum, packed as `get_scale_min_k4` of ggml unpacks them:
 * sub-blocks 0–3 in the low 6 bits of bytes 0–3 (scale) and 4–7 (minimum); sub-blocks 4–7 with 4 bits in bytes 8–11
 * (scale low, minimum high) and 2 bits in the tops of bytes 0–3 and 4–7.
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {RandomNumbers} next
 */
function writeScales(bytes, offset, next) {
  for (let index = 0; index < 4; index++) {
    const random = next();
    const first = 32 + (random & 31);
    const second = 32 + ((random >>> 5) & 31);
    const low = second & 15;
    const packed = first | ((second >>> 4) << 6);
    bytes[offset + index] = packed;
    bytes[offset + 4 + index] = packed;
    bytes[offset + 8 + index] = low | (low << 4);
  }
}

/**
 * 210 bytes: 256 × 6-bit q in 192 bytes, 16 scales s (int8), scale d (f16); weight = d s (q − 32). q − 32 has
 * mean −½, which the random signs of s even out.
 * @type {Fill}
 */
function fillQ6K(bytes, deviation, next) {
  const scale = deviation / (rootMeanSquare(64, 127) * rootMeanSquare(-32, 31));
  fillRandom(bytes, next);
  for (let block = 0; block < bytes.length; block += 210) {
    for (let index = 192; index < 208; index++) {
      const random = next();
      const magnitude = 64 + (random & 63);
      bytes.writeInt8(random & 64 ? magnitude : -magnitude, block + index);
    }
    bytes.writeUInt16LE(float16Bits(scale * jitter(next)), block + 208);
  }
}

/**
 * @param {Buffer} bytes
 * @param {RandomNumbers} next
 */
function fillRandom(bytes, next) {
  const whole = bytes.length - (bytes.length % 4);
  for (let offset = 0; offset < whole; offset += 4) bytes.writeUInt32LE(next(), offset);
  for (let offset = whole; offset < bytes.length; offset++) bytes[offset] = next() & 0xff;
}

/** Between ¾ and 1¼, so that blocks differ in scale as real ones do. @param {RandomNumbers} next */
function jitter(next) {
  return 0.75 + next() / 2 ** 33;
}

/**
 * Of the numbers first, first + 1, …, last.
 * @param {number} first
 * @param {number} last
 */
function rootMeanSquare(first, last) {
  let sum = 0;
  for (let value = first; value <= last; value++) sum += value * value;
  return Math.sqrt(sum / (last - first + 1));
}
