/**
 * Randomness as a pure function of (seed, stream, step, sample, element), bit-identical to
 * `chainrule/core/randomness.py`.
 *
 * The mixing function is the finalizer of SplitMix64, applied once for each coordinate. Keys of the outer coordinates
 * are BigInts; the innermost key, one per element, is computed in 32-bit halves, which is many times faster.
 */

const GOLDEN = 0x9e3779b97f4a7c15n;
const MIX1 = 0xbf58476d1ce4e5b9n;
const MIX2 = 0x94d049bb133111ebn;
const MASK = 0xffffffffffffffffn;

/** Mixes one coordinate into a 64-bit key. @param {bigint} key @param {bigint} value */
function mix(key, value) {
  let z = (key + value * GOLDEN + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * MIX1) & MASK;
  z = ((z ^ (z >> 27n)) * MIX2) & MASK;
  return z ^ (z >> 31n);
}

/**
 * Returns a stable number for a purpose such as "shuffle" or "dropout1": the CRC-32 of the name.
 *
 * @param {string} purpose
 */
export function streamNumber(purpose) {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(purpose)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Draws uniform numbers in [0, 1) for the elements of one sample:
 * u = ⌊mix(mix(mix(mix(seed, stream), step), sample), element) / 2¹¹⌋ · 2⁻⁵³
 *
 * @param {number | bigint} seed @param {number} stream @param {number} step @param {number} sample
 * @param {number} elements
 */
export function uniform(seed, stream, step, sample, elements) {
  const outer = mix(mix(BigInt(seed) & MASK, BigInt(stream)), BigInt(step));
  const key = mix(outer, BigInt(sample));
  const numbers = new Float64Array(elements);
  let [keyHigh, keyLow] = [Number(key >> 32n), Number(key & 0xffffffffn)];
  for (let e = 0; e < elements; e += 1) {
    const sum = keyLow + 0x7f4a7c15;
    keyHigh = (keyHigh + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    keyLow = sum >>> 0;
    numbers[e] = finalized(keyHigh, keyLow);
  }
  return numbers;
}

/** Applies the finalizer of SplitMix64 to a number in two halves; returns a number in [0, 1). @param {number} high @param {number} low */
function finalized(high, low) {
  let h = high ^ (high >>> 30);
  let l = low ^ ((low >>> 30) | (high << 2));
  [h, l] = [upper(h, l, 0xbf58476d, 0x1ce4e5b9), Math.imul(l, 0x1ce4e5b9)];
  [h, l] = [h ^ (h >>> 27), l ^ ((l >>> 27) | (h << 5))];
  [h, l] = [upper(h, l, 0x94d049bb, 0x133111eb), Math.imul(l, 0x133111eb)];
  [h, l] = [h ^ (h >>> 31), l ^ ((l >>> 31) | (h << 1))];
  return ((h >>> 0) * 0x200000 + (l >>> 11)) * 2 ** -53;
}

/**
 * Returns the upper half of the low 64 bits of a product of two numbers, each in two halves.
 *
 * @param {number} h @param {number} l @param {number} otherH @param {number} otherL
 */
function upper(h, l, otherH, otherL) {
  const [a, b] = [l >>> 16, l & 0xffff];
  const [c, d] = [otherL >>> 16, otherL & 0xffff];
  const middle = a * d + Math.floor((b * d) / 0x10000);
  const inner = (middle % 0x10000) + b * c;
  const carried = a * c + Math.floor(middle / 0x10000) + Math.floor(inner / 0x10000);
  return (carried + Math.imul(l, otherH) + Math.imul(h, otherL)) | 0;
}
