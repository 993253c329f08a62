/**
 * Compact encoding of numbers in characters that are allowed in an address.
 *
 * Short lists are written in decimal: 1~6~-2.5. Long lists are scaled to integers by a power of ten, with run lengths
 * for zeros, and packed with seven bits per byte in URL-safe base64. Both encodings are lossless.
 */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const WRITTEN = 40;
const DIGITS = 9;
const WHOLE = 2 ** 46;

/** @param {ArrayLike<number>} values @returns {string} */
export function written(values) {
  const list = Array.from(values);
  const text = list.map((value) => String(value)).join("~");
  if (list.length <= WRITTEN) return text;
  const digits = decimals(list);
  if (digits === null) return text;
  const packed = `*${digits}${letters(list.map((value) => Math.round(value * 10 ** digits)))}`;
  return packed.length < text.length ? packed : text;
}

/**
 * Decodes a text; returns null unless it contains exactly `count` finite numbers.
 * @param {string} text @param {number} count
 */
export function read(text, count) {
  const values = text.startsWith("*") ? unpacked(text, count) : text.split("~").map(number);
  return values && values.length === count && values.every(Number.isFinite) ? values : null;
}

/** @param {string} text */
const number = (text) => (/^-?\d*\.?\d+(e[-+]?\d+)?$/.test(text) ? Number(text) : NaN);

/** Returns how many decimal places represent all values exactly; null if there are too many. @param {number[]} list */
function decimals(list) {
  for (let digits = 0; digits <= DIGITS; digits++) {
    const scale = 10 ** digits;
    if (list.every((value) => Math.abs(value * scale) < WHOLE && Math.round(value * scale) / scale === value)) {
      return digits;
    }
  }
  return null;
}

/**
 * Encodes integers in base64. The lowest bit is the sign, and each 0 is followed by the number of further zeros.
 * @param {number[]} list
 */
function letters(list) {
  /** @type {number[]} */
  const bytes = [];
  for (let k = 0; k < list.length; k++) {
    push(bytes, list[k] < 0 ? -2 * list[k] - 1 : 2 * list[k]);
    if (list[k] !== 0) continue;
    let more = 0;
    while (list[k + 1] === 0) [k, more] = [k + 1, more + 1];
    push(bytes, more);
  }
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b, c] = [bytes[at], bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
    const four = [a >> 2, ((a & 3) << 4) | (b >> 4), ((b & 15) << 2) | (c >> 6), c & 63];
    text += four
      .slice(0, Math.min(bytes.length - at, 3) + 1)
      .map((six) => LETTERS[six])
      .join("");
  }
  return text;
}

/** @param {number[]} bytes @param {number} value */
function push(bytes, value) {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
}

/** @param {string} text @param {number} count @returns {number[] | null} */
function unpacked(text, count) {
  const scale = 10 ** Number(text[1]);
  const whole = numbersOf(bytesOf(text.slice(2)));
  /** @type {number[]} */
  const values = [];
  for (let k = 0; k < whole.length && values.length <= count; k++) {
    const value = whole[k] % 2 ? -(whole[k] + 1) / 2 : whole[k] / 2;
    values.push(value / scale);
    if (value !== 0) continue;
    k += 1;
    for (let more = 0; more < whole[k] && values.length <= count; more++) values.push(0);
  }
  return values.length === count ? values : null;
}

/** @param {string} text */
function bytesOf(text) {
  /** @type {number[]} */
  const bytes = [];
  let [held, bits] = [0, 0];
  for (const letter of text) {
    const six = LETTERS.indexOf(letter);
    if (six < 0) return [];
    [held, bits] = [((held << 6) | six) & 0xffff, bits + 6];
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 255);
    }
  }
  return bytes;
}

/** @param {number[]} bytes */
function numbersOf(bytes) {
  /** @type {number[]} */
  const numbers = [];
  let [value, scale] = [0, 1];
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      numbers.push(value);
      [value, scale] = [0, 1];
    }
  }
  return numbers;
}
