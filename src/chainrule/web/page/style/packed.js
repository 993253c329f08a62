/** Colors in the format of ImageData: four bytes in one number. */

import { onTheme } from "../theme.js";
import { table } from "./scale.js";

/** @type {Map<string, Uint32Array>} */
const cache = new Map();
onTheme(() => cache.clear());

/** Returns the 256 colors of a scale. @param {import("./scale.js").Kind} kind */
export function packedTable(kind) {
  const cached = cache.get(kind);
  if (cached) return cached;
  const colors = table(kind);
  const packed = Uint32Array.from({ length: 256 }, (_, i) => pack(colors.subarray(3 * i, 3 * i + 3)));
  cache.set(kind, packed);
  return packed;
}

/** @param {Iterable<number>} color  red, green and blue, from 0 to 255 */
export function pack([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
