/** Stops on ReLU and max pooling. */
import { counted, roughNumber, whole } from "../../../numbers_brief.js";
import { named } from "../../../explain/naming.js";
import { gradientName } from "../../../engine/interpreter.js";
import { unravel } from "../../../engine/tensor.js";
import { formatNumber } from "../../../explain/numbers.js";
import { percent } from "../look.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

/** Builds the stop on the outputs that ReLU sets to 0. @param {Look} look @returns {Stop | null} */
export function relu(look) {
  const site = look.site("relu");
  if (!site) return null;
  const { data, shape } = look.array(site.y);
  const dead = Array.from(data).reduce((count, value) => count + Number(value === 0), 0);
  const found = choices(
    "relu",
    String(dead),
    [data.length - dead, Math.round(data.length / 10), 0, data.length].map(String),
  );
  if (!found) return null;
  const index = look.largest(site.x, (value) => -value);
  const cell = named(site.y, index);
  const plane = shape.length === 3 ? [index[0]] : [];
  const figures =
    shape.length === 3
      ? [
          look.figure(`${site.x}, map ${index[0]}`, site.x, plane),
          "→",
          look.figure(`${site.y}, map ${index[0]}`, site.y, plane),
        ]
      : [];
  return {
    id: "relu",
    title: "ReLU: negative values become 0",
    phase: "forward",
    cell,
    number: null,
    choices: found,
    figures,
    words: [
      "ReLU passes positive values unchanged and replaces all others by 0. Without such a nonlinearity " +
        "between them, two layers of weights would be no more powerful than one.",
      "A 0 adds nothing to the next layer, and in the backward pass no gradient flows through it: the slope is 0.",
    ],
    question: `How many of the ${counted(data.length, "value")} of ${site.layer} are 0 for this image?`,
    reveal: [
      `${whole(dead)} of ${whole(data.length)}, or ${percent(dead / data.length)}. ` +
        `The most negative input is ${named(site.x, index)} = ${formatNumber(look.value(site.x, index))}.`,
    ],
  };
}

/** Builds the stop on the effect of a value that is not the maximum. @param {Look} look @returns {Stop | null} */
export function pooling(look) {
  const site = look.planar("max_pool");
  const place = site && clearest(look, site.y);
  if (!site || !place) return null;
  const { cell, pick, first, second } = place;
  const growth = (first - second) / 2;
  const change = Math.max(first, second + growth) - first;
  const found = choices("pooling", roughNumber(change), [
    roughNumber(growth),
    roughNumber(growth / pick.candidates.length),
    roughNumber(-growth),
  ]);
  if (!found) return null;
  const { data, shape } = look.array(site.x);
  const kept = look.array(site.y).data.length;
  return {
    id: "pooling",
    title: "Max pooling: what is discarded",
    phase: "forward",
    cell,
    number: null,
    choices: found,
    words: [
      `${site.layer} places windows on each map and keeps only the largest value of each: ` +
        `${counted(data.length, "value")} become ${whole(kept)}. The position of the maximum is ` +
        "not passed on, so a stroke may shift slightly without changing the result.",
      `In the window of ${cell}, the maximum (marked) is ${formatNumber(first)} and the second largest is ${formatNumber(second)}.`,
    ],
    figures: [windowFigure(look, site.x, pick, shape)],
    question: `Suppose the second largest grew by ${formatNumber(growth)}, half of the gap. By how much would ${cell} grow?`,
    reveal: [
      `By ${formatNumber(change)}. Only the maximum counts; the others may change as long as they stay smaller. This is ` +
        "why the gradient goes to the maximum alone.",
    ],
  };
}

/** Builds the stop on the path of a gradient through max pooling. @param {Look} look @returns {Stop | null} */
export function route(look) {
  const site = look.planar("max_pool");
  if (!site || !look.has(gradientName(site.y))) return null;
  const place = loudest(look, site.y);
  if (!place) return null;
  const { cell, pick, dy } = place;
  const reached = pick.candidates.filter(({ cell: each }) =>
    look.explain(gradientCell(each)).terms.some((term) => {
      return term.factors.some((factor) => factor.cell === gradientCell(cell));
    }),
  );
  if (reached.length !== 1) return null;
  const others = pick.candidates
    .filter(({ cell: each }) => each !== reached[0].cell)
    .map(({ cell: each }) => `all of it to ${each}`);
  const share = `${formatNumber(dy / pick.candidates.length)} to each of the ${pick.candidates.length} cells`;
  const right = `all of it to ${reached[0].cell}`;
  const found = choices("route", right, [others[0], share]);
  if (!found) return null;
  const target = gradientCell(reached[0].cell);
  return {
    id: "route",
    title: "Max pooling: where the gradient goes",
    phase: "backward",
    cell: target,
    number: null,
    choices: found,
    words: [
      "Now the backward pass. Each output of the pooling receives its upstream gradient. Take one whose " +
        `window has a single maximum: for ${cell} it is ${gradientCell(cell)} = ${formatNumber(dy)}.`,
      "The window of this output is shown with its values of the forward pass.",
    ],
    figures: [windowFigure(look, site.x, { ...pick, winner: -1 }, look.array(site.x).shape)],
    question: `Where does the ${formatNumber(dy)} go?`,
    reveal: [
      `All of it to the maximum, ${reached[0].cell} = ${formatNumber(reached[0].value)}: a small increase of it would have ` +
        "increased the output equally. The others get 0 from this window, since a small change of theirs would " +
        "have changed nothing.",
      `${target} is ${formatNumber(look.explain(target).value)}.`,
    ],
  };
}

/** Finds the window with a single maximum and the largest gradient. @param {Look} look @param {string} y */
function loudest(look, y) {
  const { data, shape } = look.array(gradientName(y));
  const order = Array.from(data.keys()).sort((one, other) => Math.abs(data[other]) - Math.abs(data[one]));
  for (const k of order) {
    if (data[k] === 0) return null;
    const cell = named(y, unravel(k, shape));
    const { pick, value } = look.explain(cell);
    if (pick && pick.candidates.length > 1 && pick.candidates.filter((each) => each.value === value).length === 1) {
      return { cell, pick, dy: data[k] };
    }
  }
  return null;
}

/** Finds the window whose maximum leads by the largest margin. @param {Look} look @param {string} y */
function clearest(look, y) {
  const { data, shape } = look.array(y);
  let best = null;
  const order = Array.from(data.keys())
    .sort((one, other) => data[other] - data[one])
    .slice(0, 24);
  for (const k of order) {
    const cell = named(y, unravel(k, shape));
    const { pick } = look.explain(cell);
    if (!pick || pick.candidates.length < 2) continue;
    const [first, second] = pick.candidates.map(({ value }) => value).sort((one, other) => other - one);
    if (first > second && (!best || first - second > best.first - best.second)) best = { cell, pick, first, second };
  }
  return best;
}

/**
 * Returns a figure of a window on the map, with the maximum marked.
 * @param {Look} look
 * @param {string} tensor
 * @param {NonNullable<import("../../../types.js").Explanation["pick"]>} pick
 * @param {number[]} shape
 */
function windowFigure(look, tensor, { candidates, winner }, shape) {
  const places = candidates.map(({ cell }) =>
    cell
      .slice(cell.indexOf("[") + 1, -1)
      .split(",")
      .map(Number),
  );
  const [rows, columns] = [1, 2].map((axis) => new Set(places.map((place) => place[axis])).size);
  const [plane, top, left] = places[0];
  const figure = look.figure(`${tensor}, map ${plane} in 0–${shape[0] - 1}`, tensor, [plane], [top, left], [rows, columns]);
  return { ...figure, marks: new Map(winner < 0 ? [] : [[winner, /** @type {const} */ ("won")]]) };
}

/** @param {string} cell */
const gradientCell = (cell) => gradientName(cell.slice(0, cell.indexOf("["))) + cell.slice(cell.indexOf("["));
