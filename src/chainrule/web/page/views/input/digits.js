/** Preparation of a drawn digit as in MNIST. The Python version, which prepares photographs too, is in data/inputs.py. */

import { crop } from "./gray.js";
import { BICUBIC, resize } from "./resample.js";

/** @typedef {import("./gray.js").Gray} Gray */

const FIELD = 28; // pixels of an MNIST image
const BOX = 20; // pixels of the longest side of the digit
const CENTER = 14; // pixels; position of the center of mass
const FAINT = 0.05; // amount of ink; pixels with less are ignored
/** Side in pixels of the image of a drawing. */
export const WORKING_SIZE = 160;

/**
 * Prepares ink as in MNIST, without removing background or specks, which takes about a millisecond.
 * @param {Gray} ink  from 0 to 1, not blank
 * @returns {Uint8Array}
 */
export function inkAsMnist(ink) {
  const { left, top, right, bottom } = extent(ink);
  const digit = scaled(crop(ink, left, top, right, bottom));
  const most = digit.data.reduce((a, b) => Math.max(a, b), 0);
  return centered({ ...digit, data: digit.data.map((value) => roundEven((255 * value) / most)) });
}

/** Returns the bounding box of the ink. @param {Gray} ink */
function extent({ width, height, data }) {
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let i = 0; i < data.length; i += 1) {
    if (data[i] <= FAINT) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
  }
  return box;
}

/** Resizes ink so that its longest side is 20 pixels. @param {Gray} ink */
function scaled(ink) {
  const longest = Math.max(ink.width, ink.height);
  const size = (/** @type {number} */ side) => Math.max(1, roundEven((side * BOX) / longest));
  const small = resize(ink, size(ink.width), size(ink.height), BICUBIC);
  return { ...small, data: small.data.map((value) => Math.min(1, Math.max(0, value))) };
}

/** Places a digit in a 28×28 image with its center of mass in the middle, rounded to pixels. @param {Gray} digit */
function centered(digit) {
  const { width, height, data } = digit;
  let [sum, across, down] = [0, 0, 0];
  data.forEach((value, i) => {
    sum += value;
    across += value * (i % width);
    down += value * Math.floor(i / width);
  });
  const corner = (/** @type {number} */ center, /** @type {number} */ size) =>
    Math.min(Math.max(roundEven(CENTER - center), 0), FIELD - size);
  const [left, top] = [corner(across / sum, width), corner(down / sum, height)];
  const field = new Uint8Array(FIELD * FIELD);
  data.forEach((value, i) => {
    field[(top + Math.floor(i / width)) * FIELD + left + (i % width)] = value;
  });
  return field;
}

/** Rounds halves to even, as Python does. @param {number} value */
function roundEven(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 ? whole - 1 : whole;
}

