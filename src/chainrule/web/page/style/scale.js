/** The color scales of the page: activations from gray to ink, signed values from blue to vermilion. */

import { isDark } from "../theme.js";

/** @typedef {[number, number, number]} Color  red, green, blue from 0 to 255 */
/** @typedef {"sequential" | "diverging"} Kind */
/** @typedef {{kind: Kind, low: number, high: number}} Scale  the values that have the end colors */

/** @type {Record<string, {ground: Color, ink: Color, zero: Color, negative: Color[], positive: Color[]}>} */
const THEMES = {
  light: {
    ground: [239, 237, 231],
    ink: [20, 22, 26],
    zero: [240, 238, 233],
    negative: [
      [146, 186, 221],
      [33, 102, 172],
      [8, 48, 107],
    ],
    positive: [
      [247, 186, 135],
      [213, 94, 0],
      [122, 46, 0],
    ],
  },
  dark: {
    ground: [9, 10, 12],
    ink: [246, 245, 240],
    zero: [27, 30, 35],
    negative: [
      [30, 78, 128],
      [70, 143, 214],
      [176, 214, 247],
    ],
    positive: [
      [120, 58, 12],
      [228, 110, 20],
      [255, 205, 160],
    ],
  },
};
/** @type {Color} */
export const NOT_A_NUMBER = [204, 0, 153];

/**
 * Returns the scale of an array: zero is the lowest color of activations and the middle color of signed values.
 * @param {ArrayLike<number>} values @param {Kind} kind @returns {Scale}
 */
export function scaleOf(values, kind) {
  let [low, high] = [0, 0];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] < low) low = values[at];
    else if (values[at] > high) high = values[at];
  }
  if (kind === "sequential") return { kind, low, high };
  const most = Math.max(-low, high);
  return { kind, low: -most, high: most };
}

/** Returns the scale from −m to m, where m is the largest magnitude. @param {ArrayLike<number>} values */
export function signed(values) {
  return scaleOf(values, "diverging");
}

/** Returns the position of a value on its scale: 0 … 1, or −1 … 1. @param {number} value @param {Scale} scale */
export function share(value, { kind, low, high }) {
  if (!(high > low)) return 0;
  return kind === "diverging" ? value / high : (value - low) / (high - low);
}

/** @param {number} value @param {Scale} scale @returns {Color} */
export function colorOf(value, scale) {
  if (!Number.isFinite(value)) return NOT_A_NUMBER;
  return scale.kind === "sequential" ? sequential(share(value, scale)) : diverging(share(value, scale));
}

/**
 * Returns the color of a share from 0 (gray) to 1 (ink).
 * @param {number} share
 * @returns {Color}
 */
export function sequential(share) {
  const theme = isDark() ? THEMES.dark : THEMES.light;
  return between(theme.ground, theme.ink, clamp(share, 0, 1));
}

/**
 * Returns the color of a share from −1 to 1: blue below zero, the ground at zero, vermilion above.
 * @param {number} share
 * @returns {Color}
 */
export function diverging(share) {
  const theme = isDark() ? THEMES.dark : THEMES.light;
  const stops = [theme.zero, ...(share < 0 ? theme.negative : theme.positive)];
  const place = clamp(Math.abs(share), 0, 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  return between(stops[below], stops[below + 1], place - below);
}

/**
 * Returns a scale as a table of 256 colors. Painting with a table is faster than a function call per cell.
 * @param {Kind} kind  the table runs from share 0, or −1, to 1
 * @returns {Uint8ClampedArray}  256 × (red, green, blue)
 */
export function table(kind) {
  const colors = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i += 1) {
    colors.set(kind === "sequential" ? sequential(i / 255) : diverging((i - 127.5) / 127.5), 3 * i);
  }
  return colors;
}

/** Returns the relative luminance of a color, from 0 to 1 (WCAG). @param {Color} color */
export function luminance(color) {
  const [red, green, blue] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {Color} from @param {Color} to @param {number} share @returns {Color} */
function between(from, to, share) {
  const part = (/** @type {0 | 1 | 2} */ i) => Math.round(from[i] + (to[i] - from[i]) * share);
  return [part(0), part(1), part(2)];
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return value > low ? Math.min(value, high) : low;
}
