/**
 * Decoding of the arrays in the self-contained file. They are deflated, with float32 values in four byte planes.
 *
 * @typedef {{length: number, planes: number, base64: string}} Packed
 */

/** @param {Packed} packed @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function bytesOf({ length, planes, base64 }) {
  const text = atob(base64);
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes.length !== length * planes) throw new Error(`${bytes.length} bytes in the file; expected ${length * planes}`);
  return bytes;
}

/** Returns bytes or float32 values, as they were packed. @param {Packed} packed */
export function arrayOf(packed) {
  return packed.planes === 1 ? bytesOf(packed) : numbersOf(packed);
}

/** @param {Packed} packed */
export async function numbersOf(packed) {
  return new Float32Array((await bitsOf(packed)).buffer);
}

/** Returns the bits of float32 values. @param {Packed} packed */
export async function bitsOf(packed) {
  const bytes = await bytesOf(packed);
  const { length } = packed;
  const [first, second, third, last] = [0, 1, 2, 3].map((k) => bytes.subarray(k * length, (k + 1) * length));
  const bits = new Uint32Array(length);
  for (let n = 0; n < length; n += 1) bits[n] = first[n] | (second[n] << 8) | (third[n] << 16) | (last[n] << 24);
  return bits;
}
