/** Stops on the backward pass of a dense layer, of ReLU and of a convolution. */
import { counted, roughNumber } from "../../../numbers_brief.js";
import { gradientName } from "../../../engine/interpreter.js";
import { ravel, unravel } from "../../../engine/tensor.js";
import { named, parted } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { signed } from "../../../style/scale.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 * @typedef {import("../stop.js").Figure} Figure
 * @typedef {import("../../../types.js").Factor} Factor
 * @typedef {import("../../../types.js").Term} Term
 */

const LISTED = 12;

/** Builds the stop on the gradient of a dense layer's input. @param {Look} look @returns {Stop | null} */
export function errors(look) {
  const site = look.site("dense", look.operations("dense").length - 1);
  const dx = site && gradientName(site.x);
  if (!site || !dx || !look.has(dx)) return null;
  const index = look.largest(dx, Math.abs);
  const cell = named(dx, index);
  const { operation, terms, value } = look.explain(cell);
  if (operation !== "dense_dx" || terms.length < 2 || terms.some(({ factors }) => factors.length !== 2)) return null;
  const loudest = largestFirst(terms)[0];
  const sizes = terms.reduce((sum, term) => sum + Math.abs(term.value), 0);
  const found = choices("errors", roughNumber(value), [loudest.value, -value, sizes].map(roughNumber));
  if (!found) return null;
  const input = named(site.x, index);
  return {
    id: "errors",
    title: "A dense layer, backward",
    phase: "backward",
    cell,
    number: null,
    choices: found,
    words: [
      `${site.layer} multiplied ${input} by one weight for each of its ${counted(terms.length, "output")}, so a change of ` +
        "this input changes all of them. The chain rule follows each way back and adds: the gradient of an output times " +
        "the weight on the way.",
      "These are the weights of the forward pass. Forward, an output sums a row of the matrix; backward, an input sums a column.",
    ],
    figures: [factorRow(`${site.layer}.dy`, terms, 0), "·", factorRow(`${site.w}: the weights of this input`, terms, 1)],
    question: `What is the gradient of ${input}, the sum of the ${counted(terms.length, "product")}?`,
    reveal: [
      `${cell} = ${formatNumber(value)}. Its largest product is ${productOf(loudest)}. ` +
        `No other input of ${site.layer} has a gradient of larger magnitude.`,
    ],
  };
}

/** Builds the stop on the gradient at a ReLU. @param {Look} look @returns {Stop | null} */
export function gate(look) {
  const site = look.site("relu", look.operations("relu").length - 1);
  if (!site) return null;
  const [dy, dx] = [gradientName(site.y), gradientName(site.x)];
  if (!look.has(dx) || !look.has(dy)) return null;
  const x = look.array(site.x);
  const [upstream, passed] = [look.array(dy).data, look.array(dx).data];
  const places = Array.from(x.data.keys()).sort((one, other) => Math.abs(upstream[other]) - Math.abs(upstream[one]));
  const closed = places.filter((at) => x.data[at] <= 0);
  const at = closed[0];
  const open = places.find((each) => x.data[each] > 0);
  if (at === undefined || open === undefined || !upstream[at] || passed[at] || passed[open] !== upstream[open]) return null;
  const name = (/** @type {string} */ tensor, /** @type {number} */ place) => named(tensor, unravel(place, x.shape));
  const found = choices("gate", "0", [upstream[at], -upstream[at]].map(roughNumber));
  if (!found) return null;
  return {
    id: "gate",
    title: "ReLU: a gate for the gradient",
    phase: "backward",
    cell: name(dx, at),
    number: null,
    choices: found,
    words: [
      "ReLU passed positive values unchanged: its slope there is 1. All others it replaced by 0, whatever they were: its " +
        "slope there is 0. The gradient is multiplied by this slope, so ReLU is a gate that the forward pass opens or closes.",
      `The gradient that reaches ${name(site.y, at)} is ${formatNumber(upstream[at])}. The input there is ${name(site.x, at)} = ` +
        `${formatNumber(x.data[at])}.`,
    ],
    figures: [],
    question: `What is the gradient of ${name(site.x, at)}?`,
    reveal: [
      `0. The input is not positive, so a small change of it changes nothing, and ${formatNumber(upstream[at])} · 0 = 0. ` +
        `For this image, ${closed.length} of the ${counted(x.data.length, "gate")} of ${site.layer} are closed; the weights before ` +
        "them learn nothing from it.",
      `Where the gate is open, the gradient passes as it is: ${name(dx, open)} = ${name(dy, open)} = ${formatNumber(upstream[open])}.`,
    ],
  };
}

/** Builds the stop on the gradient of a convolution's input. @param {Look} look @returns {Stop | null} */
export function rotation(look) {
  const sites = look.operations("cross_correlate").flatMap((_, k) => {
    const site = look.planar("cross_correlate", k);
    return site && !site.operation.attributes.flip && look.has(gradientName(site.x)) ? [site] : [];
  });
  const site = sites[Math.min(1, sites.length - 1)];
  if (!site) return null;
  const dx = gradientName(site.x);
  const index = look.largest(dx, Math.abs);
  const cell = named(dx, index);
  const { operation, terms, value } = look.explain(cell);
  if (operation !== "cross_correlate_dx") return null;
  const [, , KH, KW] = look.array(site.w).shape;
  const telling = largestFirst(terms).flatMap((term) => {
    const [up, weight] = term.factors;
    if (!term.value || !up?.cell || !weight?.cell) return [];
    const [o, c, u, v] = parted(weight.cell).index;
    const rotated = [o, c, KH - 1 - u, KW - 1 - v];
    const wrong = [rotated, [o, c, u, KW - 1 - v], [o, c, KH - 1 - u, v]].map((each) => named(site.w, each));
    return rotated[2] === u && rotated[3] === v ? [] : [{ term, up: up.cell, o, c, u, v, right: weight.cell, wrong }];
  })[0];
  const found = telling && choices("rotation", telling.right, telling.wrong);
  if (!found) return null;
  const { term, up, o, c, u, v, right } = telling;
  const input = named(site.x, index);
  return {
    id: "rotation",
    title: "A convolution, backward: the kernel is rotated",
    phase: "backward",
    cell,
    number: null,
    choices: found,
    words: [
      `In the forward pass, the kernels of ${site.layer} covered ${input} at several positions, each time with another weight. ` +
        "At each of these positions, multiply the weight by the gradient of the output there. The sum is the gradient of this input.",
      "At positions further up and to the left, the weight on this input is further down and to the right in the kernel. " +
        "Laid over the gradients of the outputs, the kernel is therefore rotated by half a turn.",
    ],
    figures: [
      { ...look.figure(`${site.layer}.dy, map ${o}`, gradientName(site.y), [o]), marks: marked(look, up) },
      "⋆",
      look.figure(`${site.w}: kernel ${o}, map ${c}, not rotated`, site.w, [o, c]),
    ],
    question: `Which weight is ${up} (marked) multiplied by, on its way to ${cell}?`,
    reveal: [
      `${right}: with this weight, in row ${u} and column ${v} of the kernel, it was computed from ${input}. ` +
        `The product is ${productOf(term)}.`,
      `All ${counted(terms.length, "product")} sum to ${cell} = ${formatNumber(value)}. Play it to see the kernel turn.`,
    ],
  };
}

/** @param {Term[]} terms */
function largestFirst(terms) {
  return [...terms].sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
}

/** @param {Term} term */
function productOf({ factors, value }) {
  return `${factors.map((factor) => factor.cell).join(" · ")} = ${factors.map((factor) => formatNumber(factor.value)).join(" · ")} = ${formatNumber(value)}`;
}

/** Returns a figure of one factor of the products, at most twelve. @param {string} title @param {Term[]} terms @param {number} at @returns {Figure} */
function factorRow(title, terms, at) {
  const factors = terms.slice(0, LISTED).map((term) => /** @type {Factor} */ (term.factors[at]));
  const values = factors.map((factor) => factor.value);
  const rest = terms.length - factors.length;
  return {
    title: rest ? `${title}; ${rest} more` : title,
    rows: 1,
    columns: values.length,
    values,
    scale: signed(values),
    name: (_, j) => factors[j].cell ?? title,
  };
}

/** @param {Look} look @param {string} cell  a cell of a map */
function marked(look, cell) {
  const { tensor, index } = parted(cell);
  const { shape } = look.array(tensor);
  return new Map([[ravel([0, ...index.slice(1)], shape), /** @type {const} */ ("chosen")]]);
}
