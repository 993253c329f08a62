/** Loading of image files for the network. Only PNG and JPEG; format and size are checked before decoding. */

import { createElement } from "../../elements.js";
import { asMnist } from "./digits.js";
import { grayOf } from "./gray.js";
import { imageSize } from "./image_header.js";
import { BILINEAR, resize } from "./resample.js";

/** @typedef {import("../../types.js").Picture} Picture */
/** @typedef {import("../../types.js").Description} Description */

const MAX_BYTES = 5_000_000;
const MAX_PIXELS = 4_000_000;

/**
 * @param {Blob} file @param {string} name @param {Description} description
 * @returns {Promise<Picture>}
 */
export async function loadPicture(file, name, description) {
  const image = await decoded(file, name);
  const x = isOfDigits(description) ? asMnist(grayOf(image), name) : fitted(image, description.input_shape);
  return { x, label: null, from: name };
}

/** Returns whether the network reads digits as in MNIST. @param {Description} description */
export function isOfDigits(description) {
  return description.input_shape.join() === "1,28,28" && description.normalization.digits === true;
}

/** Returns whether the input is an image, in grayscale or color. @param {Description} description */
export function takesPictures({ input_shape }) {
  return input_shape.length === 3 && (input_shape[0] === 1 || input_shape[0] === 3);
}

/** Returns whether each pixel has an output. @param {Description} description */
export function isDense({ plan }) {
  return (plan.target?.shape.length ?? 1) > 1;
}

/** @param {Blob} file @param {string} name @returns {Promise<ImageData>} */
async function decoded(file, name) {
  if (file.size > MAX_BYTES) {
    throw new Error(`${name}: ${(file.size / 1e6).toFixed(1)} MB is too large; expected at most 5 MB`);
  }
  const size = imageSize(new Uint8Array(await file.arrayBuffer()));
  if (!size) throw new Error(`${name}: not a PNG or JPEG image`);
  if (size.width * size.height > MAX_PIXELS) {
    throw new Error(`${name}: ${size.width}×${size.height} pixels is too large; expected at most 4 megapixels`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${name}: damaged image, it could not be decoded`);
  }
  const canvas = createElement("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error(`${name}: this browser provides no canvas to read the image`);
  context.fillStyle = "#ffffff"; // transparent parts become white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * Resizes an image to the shape of the input: grayscale, or red, green and blue.
 * @param {ImageData} image @param {number[]} shape
 */
function fitted(image, shape) {
  const [channels, height, width] = shape;
  const planes = channels === 1 ? [grayOf(image)] : [0, 1, 2].map((channel) => planeOf(image, channel));
  const x = new Uint8Array(channels * height * width);
  planes.forEach((plane, c) => {
    const small = resize(plane, width, height, BILINEAR);
    small.data.forEach((value, i) => {
      x[c * height * width + i] = Math.round(Math.min(255, Math.max(0, value)));
    });
  });
  return x;
}

/** @param {ImageData} image @param {number} channel @returns {import("./gray.js").Gray} */
function planeOf(image, channel) {
  const data = Float64Array.from({ length: image.width * image.height }, (_, i) => image.data[4 * i + channel]);
  return { width: image.width, height: image.height, data };
}
