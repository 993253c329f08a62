/** The two colour scales of the page, for canvases: activations in ink, signed numbers from blue to vermillion. */

import { isDark } from "../theme.js";

/** @typedef {[number, number, number]} Colour  red, green, blue from 0 to 255 */

/** @type {Record<string, {ground: Colour, ink: Colour, zero: Colour, negative: Colour[], positive: Colour[]}>} */
const THEMES = {
  light: {
    ground: [239, 237, 231],
    ink: [20, 22, 26],
    zero: [240, 238, 233],
    negative: [[146, 186, 221], [33, 102, 172], [8, 48, 107]],
    positive: [[247, 186, 135], [213, 94, 0], [122, 46, 0]],
  },
  dark: {
    ground: [9, 10, 12],
    ink: [246, 245, 240],
    zero: [27, 30, 35],
    negative: [[30, 78, 128], [70, 143, 214], [176, 214, 247]],
    positive: [[120, 58, 12], [228, 110, 20], [255, 205, 160]],
  },
};

/**
 * The colour of a share from 0 (nothing) to 1 (the most): grey to ink.
 * @param {number} share
 * @returns {Colour}
 */
export function sequential(share) {
  const theme = isDark() ? THEMES.dark : THEMES.light;
  return between(theme.ground, theme.ink, clamp(share, 0, 1));
}

/**
 * The colour of a share from −1 to 1: blue below zero, the ground at zero, vermillion above.
 * @param {number} share
 * @returns {Colour}
 */
export function diverging(share) {
  const theme = isDark() ? THEMES.dark : THEMES.light;
  const stops = [theme.zero, ...(share < 0 ? theme.negative : theme.positive)];
  const place = clamp(Math.abs(share), 0, 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  return between(stops[below], stops[below + 1], place - below);
}

/**
 * A scale as a table of 256 colours, so that a picture is painted without calling it for every cell.
 * @param {"sequential" | "diverging"} kind  the table runs from share 0, or −1, to 1
 * @returns {Uint8ClampedArray}  256 × (red, green, blue)
 */
export function table(kind) {
  const colours = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i += 1) {
    colours.set(kind === "sequential" ? sequential(i / 255) : diverging((i - 127.5) / 127.5), 3 * i);
  }
  return colours;
}

/** @param {Colour} from @param {Colour} to @param {number} share @returns {Colour} */
function between(from, to, share) {
  const part = (/** @type {0 | 1 | 2} */ i) => Math.round(from[i] + (to[i] - from[i]) * share);
  return [part(0), part(1), part(2)];
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return value > low ? Math.min(value, high) : low;
}
