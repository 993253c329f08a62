/** Stops on convolutions: one output, edge detection, and sums over channels. */
import { counted, roughNumber } from "../../../numbers_brief.js";
import { named } from "../../../explain/naming.js";
import { sizeOf } from "../../../engine/tensor.js";
import { formatNumber } from "../../../explain/numbers.js";
import { percent } from "../look.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

/** Builds the stop on one output as a patch times a kernel. @param {Look} look @returns {Stop | null} */
export function patch(look) {
  const site = look.planar("cross_correlate");
  if (!site || site.operation.attributes.flip) return null;
  const index = look.largest(site.y);
  const [o, i, j] = index;
  const value = look.value(site.y, index);
  const map = look.figure("", site.y, [o]).values;
  const lowest = Math.min(...Array.from(map));
  const found = choices("patch", roughNumber(value), [roughNumber(lowest), roughNumber(value / 20), roughNumber(-value)]);
  const cell = named(site.y, index);
  const { terms } = look.explain(cell);
  const products = terms.filter((term) => term.factors.length === 2).length;
  const biased = terms.length > products;
  const parts = `the ${counted(products, "product")}${biased ? " and the bias" : ""}`;
  const channel = busiest(terms, look.array(site.x).shape[0]);
  const w = look.array(site.w).shape;
  const place = placeOf(site.operation, [i, j], look.array(site.x).shape, w);
  if (!found || !place) return null;
  return {
    id: "patch",
    title: `One output of ${site.layer}`,
    phase: "forward",
    cell,
    number: null,
    choices: found,
    words: [
      `${site.layer} slides small kernels over the image. At every position, the values of the patch are multiplied ` +
        `by the weights on top of them, and the products are summed${biased ? ", plus one bias" : ""}. That sum is ` +
        "one output.",
      `These are the patch and kernel ${o}. Orange is positive, blue negative. Where the two have the same colour, ` +
        "the product is positive; where they differ, it is negative.",
    ],
    figures: [
      {
        ...look.figure(`${site.x} and the patch`, site.x, [channel]),
        marks: patchMarks(place, w, look.array(site.x).shape),
      },
      look.figure("the patch", site.x, [channel], place, [w[2], w[3]]),
      "⋆",
      look.figure(`${site.w}: kernel ${o}`, site.w, [o, channel % w[1]]),
    ],
    question: `Without calculating: what is the sum of ${parts}, ${cell}?`,
    reveal: [
      `${cell} = ${formatNumber(value)}. It is the largest output of ${site.layer} for this image: nowhere else do ` +
        "a patch and a kernel match so well.",
    ],
  };
}

/**
 * Returns marks for the cells of the patch on the map.
 * @param {[number, number]} place
 * @param {number[]} w
 * @param {number[]} x
 */
function patchMarks([top, left], [, , KH, KW], [, , W]) {
  const cells = Array.from({ length: KH * KW }, (_, k) => (top + Math.floor(k / KW)) * W + left + (k % KW));
  return new Map(cells.map((cell) => [cell, /** @type {const} */ ("from")]));
}

/** Builds the stop on a kernel's response to a uniform patch. @param {Look} look @returns {Stop | null} */
export function edges(look) {
  const site = look.planar("cross_correlate");
  if (!site) return null;
  const w = look.array(site.w);
  const kernels = Array.from({ length: w.shape[0] }, (_, o) => weighed(w, o));
  const o = kernels.reduce((best, each, k) => (each.ratio < kernels[best].ratio ? k : best), 0);
  const { sum, sizes, largest, ratio } = kernels[o];
  const found = choices("edges", roughNumber(sum), [roughNumber(sizes), roughNumber(largest), roughNumber(-sizes)]);
  if (!found) return null;
  const flat = evenest(look, site, w.shape);
  const conclusion =
    ratio < 0.2
      ? "Positive and negative weights nearly cancel. On a uniform area, bright or dark, hardly anything remains; " +
        "where one side of the patch is brighter than the other, the difference does. Such a kernel detects edges."
      : "Positive and negative weights cancel only in part: this network has no pure edge detector. The part that " +
        "cancels responds to differences between the two sides of a patch, the rest to its brightness.";
  return {
    id: "edges",
    title: "Why a kernel detects edges",
    phase: "forward",
    number: null,
    choices: found,
    cell: flat,
    words: [
      "How does a kernel respond to a uniform patch? Let all its values be 1: every product is then a weight, " +
        "and the output is the sum of the weights.",
      `This is kernel ${o} of ${site.layer}, whose positive and negative weights are the best balanced. The ` +
        `magnitudes of its ${counted(w.data.length / w.shape[0], "weight")} sum to ${roughNumber(sizes)}.`,
    ],
    figures: Array.from({ length: w.shape[1] }, (_, c) =>
      look.figure(`kernel ${o}${w.shape[1] > 1 ? `, channel ${c}` : ""}`, site.w, [o, c]),
    ),
    question: "What is the sum of the weights, with their signs (without the bias)?",
    reveal: [
      `Σ w = ${formatNumber(sum)}, or ${percent(ratio)} of ${formatNumber(sizes)}. ${conclusion}`,
      `In this image, ${flat} is an output on the most uniform patch: see what its products sum to.`,
    ],
  };
}

/** Builds the stop on the number of products in an output. @param {Look} look @returns {Stop | null} */
export function channels(look) {
  const later = look.operations("cross_correlate").map((_, k) => (k ? look.planar("cross_correlate", k) : null));
  const site = later.find((each) => each && each.x !== "x");
  if (!site) return null;
  const index = look.largest(site.y);
  const cell = named(site.y, index);
  const products = look.explain(cell).terms.filter((term) => term.factors.length === 2).length;
  const { shape } = look.array(site.w);
  const maps = look.array(site.x).shape[0];
  return {
    id: "channels",
    title: `${site.layer} sums over channels`,
    phase: "forward",
    cell,
    choices: [],
    number: products,
    words: [
      `${site.layer} does not read the image: it reads the ${counted(maps, "map")} of ${site.x.split(".")[0]}. Each of ` +
        `its ${counted(shape[0], "kernel")} has ${shape[2]} × ${shape[3]} weights for every map it reads ` +
        `(${shape[1] === maps ? "all of them" : `${shape[1]} of them`}), and sums all products.`,
      "A kernel here can therefore respond to a combination: a vertical edge beside a horizontal one is a corner.",
    ],
    figures: sliced(look, site, index[0], shape),
    question: "How many products are summed for one output? (The bias is not a product.)",
    reveal: [
      `${shape[1]} × ${shape[2]} × ${shape[3]} = ${products}. ${cell}, the largest output, is ` +
        `${formatNumber(look.value(site.y, index))}. Every other cell of the map takes as many, with the same weights.`,
    ],
  };
}

/**
 * Returns figures of the slices of one kernel, at most four.
 * @param {Look} look
 * @param {{layer: string, w: string}} site
 * @param {number} o
 * @param {number[]} shape
 */
function sliced(look, site, o, shape) {
  const tensor = site.w;
  const some = Math.min(shape[1], 4);
  const all = Array.from({ length: some }, (_, c) => look.figure(`kernel ${o}, map ${c}`, tensor, [o, c]));
  return some < shape[1] ? [...all, `… and ${shape[1] - some} more`] : all;
}

/** Returns a kernel's sum and sum of magnitudes. @param {import("../../../types.js").NDArray} w @param {number} o */
function weighed(w, o) {
  const size = sizeOf(w.shape.slice(1));
  const weights = Array.from(w.data.subarray(o * size, (o + 1) * size));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const sizes = weights.reduce((total, weight) => total + Math.abs(weight), 0);
  return { sum, sizes, largest: Math.max(...weights), ratio: sizes ? Math.abs(sum) / sizes : 1 };
}

/**
 * Finds the output whose patch has the smallest range of values.
 * @param {Look} look
 * @param {NonNullable<ReturnType<Look["site"]>>} site
 * @param {number[]} w
 */
function evenest(look, site, w) {
  const { shape, data } = look.array(site.x);
  const [, rows, columns] = look.array(site.y).shape;
  let [best, at] = [Infinity, [0, 0]];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const place = placeOf(site.operation, [i, j], shape, w);
      const range = place ? rangeOf(data, shape, place, w) : Infinity;
      if (range < best) [best, at] = [range, [i, j]];
    }
  }
  const kernel = bestBalanced(look, site);
  return named(site.y, [kernel, ...at]);
}

/** @param {Look} look @param {{layer: string, w: string}} site */
function bestBalanced(look, site) {
  const w = look.array(site.w);
  const ratios = Array.from({ length: w.shape[0] }, (_, o) => weighed(w, o).ratio);
  return ratios.indexOf(Math.min(...ratios));
}

/** @param {ArrayLike<number>} data @param {number[]} shape @param {[number, number]} place @param {number[]} w */
function rangeOf(data, shape, [top, left], w) {
  let [low, high] = [Infinity, -Infinity];
  for (let c = 0; c < shape[0]; c++) {
    for (let i = top; i < top + w[2]; i++) {
      for (let j = left; j < left + w[3]; j++) {
        const value = data[(c * shape[1] + i) * shape[2] + j];
        [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
    }
  }
  return high - low;
}

/**
 * Returns the first row and column of a patch; null if the patch is dilated or extends beyond the input.
 *
 * @param {import("../../../types.js").Operation} operation
 * @param {number[]} at
 * @param {number[]} x
 * @param {number[]} w
 * @returns {[number, number] | null}
 */
function placeOf({ attributes }, at, x, w) {
  const {
    stride = [1, 1],
    padding = [
      [0, 0],
      [0, 0],
    ],
    dilation = [1, 1],
  } = attributes;
  const [top, left] = [0, 1].map((axis) => at[axis] * stride[axis] - padding[axis][0]);
  const whole = top >= 0 && left >= 0 && top + w[2] <= x[1] && left + w[3] <= x[2];
  return whole && dilation.every((/** @type {number} */ d) => d === 1) ? [top, left] : null;
}

/**
 * Returns the input channel with the largest products.
 * @param {import("../../../types.js").Term[]} terms
 * @param {number} channels
 */
function busiest(terms, channels) {
  const sums = Array(channels).fill(0);
  for (const { factors, value } of terms) {
    const c = Number(
      /\[(\d+)/.exec(factors.find((factor) => factor.cell && factor.name === "x")?.cell ?? "")?.[1] ?? 0,
    );
    sums[c] += Math.abs(value);
  }
  return sums.indexOf(Math.max(...sums));
}
