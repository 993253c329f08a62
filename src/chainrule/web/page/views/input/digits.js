/** Preparation of a drawn or photographed digit as in MNIST. The Python version is in data/inputs.py. */

import { crop } from "./gray.js";
import { findInk } from "./ink.js";
import { BICUBIC, resize, shrunk } from "./resample.js";

/** @typedef {import("./gray.js").Gray} Gray */

const FIELD = 28; // pixels of an MNIST image
const BOX = 20; // pixels of the longest side of the digit
const CENTER = 14; // pixels; position of the center of mass
const FAINT = 0.05; // amount of ink; pixels with less are ignored
const MARGIN = 0.3; // relative to the digit's size, on every side
/** Longest side in pixels of the image for the detection of ink. */
export const WORKING_SIZE = 160;

/**
 * Prepares an image of one digit as in MNIST: 28 × 28 bytes, light on dark.
 * @param {Gray} gray  of any size, dark on light or light on dark @param {string} name  used in errors
 * @returns {Uint8Array}
 */
export function asMnist(gray, name) {
  if (Math.min(gray.width, gray.height) < 3) {
    throw new Error(`${name}: ${gray.width}×${gray.height} pixels is too small for a digit`);
  }
  const large = Math.max(gray.width, gray.height) > WORKING_SIZE;
  const near = large ? surroundings(gray, inkOf(reduced(gray), name)) : gray;
  return inkAsMnist(inkOf(reduced(near), name));
}

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

/** @param {Gray} gray @param {string} name */
function inkOf(gray, name) {
  const ink = findInk(gray);
  if (!ink) throw new Error(`${name}: no digit found; the image is blank`);
  return ink;
}

/** Returns the image reduced to the working size, so that the detection of ink is fast. @param {Gray} gray */
function reduced(gray) {
  if (Math.max(gray.width, gray.height) <= WORKING_SIZE) return gray;
  const small = shrunk(gray, WORKING_SIZE);
  if (Math.min(small.width, small.height) >= 3) return small;
  return resize(small, Math.max(3, small.width), Math.max(3, small.height), BICUBIC);
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

/** Returns the digit with a margin of paper. @param {Gray} gray @param {Gray} ink  of the whole image, reduced */
function surroundings(gray, ink) {
  const { left, top, right, bottom } = extent(ink);
  const margin = Math.max(2, MARGIN * Math.max(right - left, bottom - top));
  const [across, down] = [gray.width / ink.width, gray.height / ink.height];
  return crop(
    gray,
    Math.max(0, Math.trunc((left - margin) * across)),
    Math.max(0, Math.trunc((top - margin) * down)),
    Math.min(gray.width, Math.ceil((right + margin) * across)),
    Math.min(gray.height, Math.ceil((bottom + margin) * down)),
  );
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

