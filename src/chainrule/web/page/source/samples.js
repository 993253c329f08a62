/**
 * The samples: images that the network was not trained on, in one array.
 *
 * @typedef {import("../types.js").Picture} Picture
 * @typedef {import("../types.js").Samples} Samples
 */

/** Returns the bytes of a sample. @param {Samples} samples @param {number} number */
export function samplePixels({ count, x }, number) {
  const size = x.length / count;
  return x.subarray(number * size, (number + 1) * size);
}

/** Divides an array into rows, as many as there are samples. @param {ArrayLike<number>} values @param {number} count */
export function rowsOf(values, count) {
  const size = values.length / count;
  return Array.from({ length: count }, (_, n) => Array.from({ length: size }, (_, at) => values[n * size + at]));
}

/** @param {Samples} samples @param {number} number @returns {Picture} */
export function sampleOf(samples, number) {
  const target = samples.targets?.[number] ?? null;
  return { x: samplePixels(samples, number), label: samples.labels[number] ?? null, target, from: sampleName(number) };
}

/** Returns the name of a sample. @param {number} number */
export function sampleName(number) {
  return `sample ${number}`;
}

/** Returns the number of a sample from its name; null for another image. @param {string} from */
export function sampleNumber(from) {
  const match = /^sample (\d+)$/.exec(from);
  return match ? Number(match[1]) : null;
}

/** Returns the name of a label, "" without a label. @param {{classes: string[]}} description @param {number | null | undefined} label */
export function labelName({ classes }, label) {
  return typeof label === "number" ? (classes[label] ?? String(label)) : "";
}

/** Returns an image of a training step's batch. @param {import("../types.js").BatchStep} batch @param {number} number @returns {Picture | null} */
export function batchPicture({ images, labels, targets, weights, numbers }, number) {
  if (!images || number >= numbers.length) return null;
  const x = samplePixels({ count: numbers.length, labels: [], x: images }, number);
  const [target, own] = [targets, weights].map((rows) => rows?.[number] ?? null);
  return { x, label: labels?.[number] ?? null, target, weights: own, from: `image ${number} of the batch`, place: number };
}
