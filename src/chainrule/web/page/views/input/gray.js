/**
 * A grayscale image of ink from 0 to 1; row-major.
 * @typedef {{width: number, height: number, data: Float64Array}} Gray
 */

/** @param {number} width @param {number} height @returns {Gray} */
export function blank(width, height) {
  return { width, height, data: new Float64Array(width * height) };
}

/**
 * Returns a part of an image.
 * @param {Gray} gray @param {number} left @param {number} top @param {number} right @param {number} bottom
 * @returns {Gray}
 */
export function crop(gray, left, top, right, bottom) {
  const part = blank(right - left, bottom - top);
  for (let y = 0; y < part.height; y += 1) {
    const start = (top + y) * gray.width + left;
    part.data.set(gray.data.subarray(start, start + part.width), y * part.width);
  }
  return part;
}
