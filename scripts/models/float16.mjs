const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/**
 * The bits of the half-precision number nearest to `value` (ties to even), which must be finite as one: below 65520.
 * @param {number} value
 */
export function float16Bits(value) {
  single[0] = value;
  const word = bits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 112;
  const mantissa = word & 0x7fffff;
  // Subnormal halves have no implicit leading one, and the lower the exponent the fewer bits.
  if (exponent <= 0) return exponent < -10 ? sign : sign | roundShift(mantissa | 0x800000, 14 - exponent);
  // A carry out of the mantissa correctly goes into the exponent.
  return sign + roundShift((exponent << 23) | mantissa, 13);
}

/**
 * @param {number} value
 * @param {number} shift
 */
function roundShift(value, shift) {
  const floor = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (floor & 1) === 1) ? floor + 1 : floor;
}
