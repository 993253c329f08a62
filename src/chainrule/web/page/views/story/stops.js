/**
 * The stops of the walk: one per layer forward, from the input to the loss, then one per layer backward, and the update.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {{
 *   title: string, words: string[], cell: string | null, layer: string | null, phase: Phase, rule: boolean,
 *   opened?: string | null, sample?: number | null, step?: number | null,
 * }} Stop  cell: the cell that is explained; rule: whether the rule of its layer is shown as a picture; opened, sample,
 *   step: of a teacher's walk, the cell whose computation is shown below the network, the image and the step
 */

import { gradientName } from "../../engine/interpreter.js";
import { unravel } from "../../engine/tensor.js";
import { named } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";

/** What each operation does, and what its backward pass does. @type {Record<string, [string, string, string, string]>} */
const OPERATIONS = {
  cross_correlate: [
    "A convolution",
    "Small kernels slide over the maps. At each position, multiply the values under the kernel by its weights and add the products.",
    "The kernel is rotated",
    "Each input was multiplied by several weights, at several positions. Follow each way back and add. Laid over the gradients of the outputs, the kernel is rotated by half a turn.",
  ],
  dense: [
    "A dense layer",
    "Each output has one weight for every input. It adds all products; positions in the image play no role.",
    "The transposed matrix",
    "Forward, an output adds a row of the weight matrix times the inputs. Backward, an input adds a column times the gradients of the outputs.",
  ],
  relu: [
    "ReLU",
    "Positive values pass unchanged. All others become 0.",
    "A gate for the gradient",
    "Where the input was positive, the slope is 1 and the gradient passes. Elsewhere the slope is 0 and the gradient stops.",
  ],
  max_pool: [
    "Max pooling",
    "Only the largest value of each window is kept.",
    "The gradient goes to the maximum",
    "A small change of the maximum changes the output; a small change of the others does not. The maximum receives the whole gradient, the others 0.",
  ],
};
const SOFTMAX = [
  "Softmax",
  "Each score becomes e to the power of the score, divided by the sum of all. The results are positive and add up to 1.",
];

/** @param {Trace} trace @returns {Stop[]} */
export function stopsOf(trace) {
  const { layers, plan } = trace.description;
  const shown = layers.filter(({ name }) => trace.values.has(`${name}.y`));
  const back = [...layers].reverse().filter(({ name }) => trace.values.has(`${name}.dy`));
  const loss = plan.loss ? [lossStop(trace)] : [];
  return [
    inputStop(trace),
    ...shown.map((layer) => layerStop(trace, layer)),
    ...loss,
    ...back.map((layer, at) => gradientStop(trace, layer.name, at === 0)),
    ...updateStop(trace),
  ];
}

/** @param {Trace} trace @returns {Stop} */
function inputStop(trace) {
  const { normalization, input_shape: shape } = trace.description;
  const scaled = normalization.kind === "none" ? "" : " The network reads them normalized: each byte is scaled and shifted.";
  return { title: "The input", words: [`The image has ${shape.join(" × ")} values.${scaled}`], cell: largest(trace, "x"), layer: "input", phase: "forward", rule: false };
}

/** @param {Trace} trace @param {import("../../types.js").LayerInfo} layer @returns {Stop} */
function layerStop(trace, { name, type }) {
  const [title, words] = type === "Softmax" ? SOFTMAX : (OPERATIONS[operationOf(trace, name)] ?? [type, ""]);
  return { title: `${name}: ${title}`, words: words ? [words] : [], cell: largest(trace, `${name}.y`), layer: name, phase: "forward", rule: true };
}

/** @param {Trace} trace @returns {Stop} */
function lossStop(trace) {
  const { classes } = trace.description;
  const loss = trace.values.get("loss.y")?.data[0] ?? 0;
  const label = trace.picture.label;
  const about = label === null ? "" : `The correct class is ${classes[label] ?? label}. `;
  const words = [`${about}The loss, ${formatNumber(loss)}, says in one number how wrong the network is. It is 0 only if the network is certain and right.`];
  return { title: "The loss", words, cell: "loss.y", layer: "loss", phase: "forward", rule: false };
}

/** @param {Trace} trace @param {string} name @param {boolean} isFirst @returns {Stop} */
function gradientStop(trace, name, isFirst) {
  const reader = readerOf(trace, name);
  const cell = largest(trace, `${name}.dy`);
  const [, , title, words] = OPERATIONS[reader?.name ?? ""] ?? ["", "", "", ""];
  if (isFirst || reader?.name.includes("cross_entropy")) {
    const error = "The gradient says how the loss changes if a value grows. At the scores it is simply the probability minus the target, ŷ − t.";
    return { title: "The error: output minus target", words: [error], cell, layer: name, phase: "backward", rule: true };
  }
  const through = reader?.writes[0].name.split(".")[0] ?? name;
  return { title: `Back through ${through}${title ? `: ${title.toLowerCase()}` : ""}`, words: words ? [words] : [], cell, layer: name, phase: "backward", rule: true };
}

/** @param {Trace} trace @returns {Stop[]} */
function updateStop(trace) {
  const { optimizer, recipe, layout } = trace.description;
  const parameter = Object.keys(layout).find((name) => trace.values.has(gradientName(name)) && trace.values.has(`${name}.update`));
  const cell = parameter && largest(trace, gradientName(parameter));
  if (!cell || !parameter) return [];
  const words = [
    `The gradient of a weight is the sum of all ways from the loss to this weight. ${optimizer.name} moves it ` +
      `against its gradient, averaged over a batch of ${recipe.batch_size} images.`,
  ];
  const update = `${parameter}.update${cell.slice(cell.indexOf("["))}`;
  return [{ title: "The step", words, cell: update, layer: null, phase: "update", rule: true }];
}

/** Returns the name of the operation that computes a layer's output. @param {Trace} trace @param {string} layer */
function operationOf({ description: { plan } }, layer) {
  return plan.forward.find(({ writes }) => writes.some(({ storage }) => storage === `${layer}.y`))?.name ?? "";
}

/** Returns the operation that reads a layer's output. @param {Trace} trace @param {string} layer */
function readerOf({ description: { plan } }, layer) {
  return plan.forward.find(({ reads }) => reads.some((tensor) => tensor?.storage === `${layer}.y`));
}

/** Returns the cell with the largest magnitude; null if there is no such tensor. @param {Trace} trace @param {string} tensor */
export function largest({ values }, tensor) {
  const array = values.get(tensor);
  if (!array) return null;
  let best = 0;
  for (let at = 1; at < array.data.length; at += 1) if (Math.abs(array.data[at]) > Math.abs(array.data[best])) best = at;
  return named(tensor, unravel(best, array.shape));
}

