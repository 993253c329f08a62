import { gradientName } from "../../../engine/interpreter.js";
import { byMagnitude, ravel } from "../../../engine/tensor.js";
import { parted, valueOf } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { button, createElement } from "../../../elements.js";
import { signedBar } from "../../../figures/bar.js";
import { pictureCanvas } from "../../../figures/picture.js";
import { errorMessage } from "../../../error_message.js";
import { counted, whole } from "../../../numbers_brief.js";
import { batchPicture, labelName } from "../../../source/samples.js";
import { fold } from "../fold.js";
import { numberLink } from "../links.js";
import { staticStage } from "./stage.js";
import { pathsOfImage } from "./why.js";
import { leadingImage } from "../../../question.js";

/**
 * The images of a step's batch, each with its own gradient of a weight, and their mean.
 *
 * @typedef {import("../../../types.js").BatchStep} BatchStep
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const MAX_IMAGES = 15; // images with the largest gradients; with an entry for all others, they fill two rows
const PAUSE = 50; // milliseconds, so that the images are painted before the paths are computed

/**
 * Shows the images, and the strongest paths of one image. Returns no stages unless the update is a training step.
 *
 * @param {PanelContext} context @returns {Stage[]}
 */
export function batchStages(context) {
  const { batch } = context.trace;
  const parameter = parameterOf(context);
  if (!batch || !parameter || !context.contributions) return [];
  const count = batch.numbers.length;
  const waiting = createElement("p.computation-caption", "computing the gradient of each image …");
  const body = createElement("div", waiting);
  const paths = createElement("div.computation-batch-paths");
  const head = createElement("h3", `The batch of this step: ${counted(count, "image")} and their gradients`);
  const { index, name } = parameter;
  context.contributions(batch.step, name, [ravel(index, context.trace.description.shapes[name])]).then(
    ([contributions]) => {
      body.replaceChildren(...imagesOf(context, batch, contributions, parameter));
      const show = () => paths.append(pathsOfImage(context, batch, leadingImage(contributions), cellOf(parameter)));
      setTimeout(() => paths.isConnected && show(), PAUSE);
    },
    (error) => waiting.replaceChildren(`Their gradients cannot be shown: ${errorMessage(error)}.`),
  );
  return [createElement("section.computation-batch", head, body), paths].map(staticStage);
}

/** Shows the weight to the last bit, as training stores it. @param {PanelContext} context @returns {Stage | null} */
export function storedStage(context) {
  const { rounding, value } = context.explanation;
  if (rounding === undefined) return null;
  const line = () => [
    createElement("b.number", exact(value)),
    createElement("span", `, with a rounding error of ${formatNumber(rounding)}. The next step starts from this value.`),
  ];
  return staticStage(fold("The stored float32 value", "computation-batch-stored computation-caption", line));
}

/**
 * Returns the parameter of w.update or w.g; null for a running statistic.
 * @param {PanelContext} context
 */
function parameterOf({ explanation: { tensor, cell }, trace }) {
  const name = tensor.slice(0, tensor.lastIndexOf("."));
  if (!trace.values.has(`${name}.g`)) return null;
  const brackets = cell.slice(tensor.length);
  return { name, index: parted(cell).index, brackets };
}

/**
 * @param {PanelContext} context @param {BatchStep} batch @param {number[]} contributions
 * @param {{name: string, brackets: string}} parameter
 */
function imagesOf(context, batch, contributions, { name, brackets }) {
  const count = contributions.length;
  const gradients = contributions.map((contribution) => contribution * count);
  const order = byMagnitude(gradients);
  const shown = count > MAX_IMAGES + 1 ? MAX_IMAGES : count;
  const others = order.slice(shown);
  const most = Math.abs(gradients[order[0]]) || 1;
  const cell = cellOf({ name, brackets });
  const items = order.slice(0, shown).map((n) => imageOf(context, batch, n, gradients[n], most, cell));
  if (others.length) {
    const rest = others.reduce((sum, n) => sum + gradients[n], 0);
    items.push(
      createElement("li.computation-batch-rest", `and ${counted(others.length, "other")}, together `, number(rest)),
    );
  }
  const sum = gradients.reduce((total, contribution) => total + contribution, 0);
  const link = `${name}.g${brackets}`;
  const stored = valueOf(context.trace, link) ?? NaN;
  const mean = createElement(
    "p.computation-batch-mean",
    "mean: ",
    number(sum),
    ` / ${whole(count)} = `,
    numberLink(context, link, stored),
  );
  return [createElement("ol.computation-batch-images", ...items), mean];
}

/**
 * Creates a button with an image and its gradient of the weight; it opens the image in the network.
 *
 * @param {PanelContext} context @param {BatchStep} batch @param {number} n @param {number} gradient @param {number} most
 * @param {string} cell
 */
function imageOf(context, batch, n, gradient, most, cell) {
  const { description } = context.trace;
  const name = labelName(description, batch.labels?.[n]);
  const words = [createElement("span.computation-caption", name), signedBar(gradient, most), number(gradient)];
  const picture = batchPicture(batch, n);
  if (!picture) return createElement("li", createElement("span.computation-caption", `image ${batch.numbers[n]}`), ...words);
  const title = `Training image ${batch.numbers[n]}${name && `, class ${name}`}: show how its gradient comes about`;
  const attributes = { class: "computation-batch-image", title };
  const canvas = pictureCanvas(picture.x, description.input_shape);
  return createElement("li", button("", () => context.show?.(picture, cell), attributes, canvas, ...words));
}

/** Returns the gradient of an image. @param {{name: string, brackets: string}} parameter */
function cellOf({ name, brackets }) {
  return gradientName(name) + brackets;
}

/** @param {number} value */
function number(value) {
  return createElement("span.number", formatNumber(value));
}

/** Formats a float32 with enough digits to identify it. @param {number} value */
function exact(value) {
  return String(Number(value.toPrecision(9))).replace("-", "−");
}
