/**
 * Decoding of the arrays in the self-contained file. They are deflated, with float32 values in four byte planes.
 *
 * @typedef {{length: number, planes: number, base64: string}} Packed
 */

/** @param {Packed} packed @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function bytesOf({ length, planes, base64 }) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes.length !== length * planes) throw new Error(`${bytes.length} bytes in the file; expected ${length * planes}`);
  return bytes;
}

/** @param {Packed} packed */
export async function numbersOf(packed) {
  const bytes = await bytesOf(packed);
  const { length } = packed;
  const numbers = new DataView(new ArrayBuffer(4 * length));
  for (let n = 0; n < length; n += 1) {
    for (let k = 0; k < 4; k += 1) numbers.setUint8(4 * n + k, bytes[k * length + n] ?? 0);
  }
  return Float32Array.from({ length }, (_, n) => numbers.getFloat32(4 * n, true));
}
