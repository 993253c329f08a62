/** The size of a PNG or JPEG image from its first bytes, before it is decoded. */

/** @typedef {{width: number, height: number}} Size */

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const NO_FRAME = [0xc4, 0xc8, 0xcc]; // tables and reserved values among JPEG's frame markers

/** @param {Uint8Array} bytes @returns {Size | null}  null: neither PNG nor JPEG, or truncated */
export function imageSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (PNG.every((byte, i) => bytes[i] === byte)) {
    const isHeader = bytes.length >= 24 && view.getUint32(12) === 0x49484452;
    return isHeader ? { width: view.getUint32(16), height: view.getUint32(20) } : null;
  }
  return bytes[0] === 0xff && bytes[1] === 0xd8 ? jpegSize(view) : null;
}

/** Skips segments up to the frame header. @param {DataView} view @returns {Size | null} */
function jpegSize(view) {
  let at = 2;
  while (at + 9 < view.byteLength) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
    } else if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAME.includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    } else {
      at += 2 + view.getUint16(at + 2);
    }
  }
  return null;
}
