/**
 * The stops of the walk: one per layer forward, from the first layer to the loss, then one per layer back to the weight's
 * layer, and the update of the weight. Their cells depend on each other. What a convolution does with gradients is shown by the
 * picture where a number is held (`views/hold`), not by a stop.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../explain/paths.js").Path} Path
 * @typedef {{
 *   title: string, words: string[], cell: string | null, layer: string | null, phase: Phase, rule: boolean,
 *   kind?: string, isHeld?: boolean, passed?: Stop[], opened?: string | null, sample?: number | null, step?: number | null,
 * }} Stop  cell: the cell that is explained; rule: whether its calculation is shown; kind: operation, of the stops
 *   that may be left out; isHeld: whether the picture replaces the stop; passed: stops left out after this one; opened, sample, step: of a teacher's walk, the cell whose computation is shown below the network, the image and the step
 */

import { gradientName } from "../../engine/interpreter.js";
import { holdable } from "../../explain/held_layer.js";
import { explain } from "../../explain/index.js";
import { layered, named, parted, valueOf } from "../../explain/naming.js";
import { decimalsOf, decimalsThatAdd, fixed, formatNumber } from "../../explain/numbers.js";
import { counted } from "../../numbers_brief.js";
import { passWords } from "../../passes.js";
import { labelName } from "../../source/samples.js";
import { cellOn, chainOf } from "./chain.js";
import { errorOf } from "./output_error.js";

/** What each operation does, and what its backward pass does. @type {Record<string, [string, string, string, string]>} */
const OPERATIONS = {
  cross_correlate: [
    "A convolution",
    "Small kernels slide over the maps. At each position, multiply the values under the kernel by its weights and add the products.",
    "Several outputs used each value",
    "",
  ],
  dense: [
    "A dense layer",
    "Each output has one weight for every input, and adds all products. Every position has weights of its own.",
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
  average_pool: [
    "Average pooling",
    "Each output is the mean of a window.",
    "Equal shares",
    "Each value contributed the same share to the mean of its window. It receives this share of the gradient.",
  ],
  batch_norm: [
    "Batch normalization",
    "Each channel is shifted and scaled so that its mean over the batch is 0 and its standard deviation 1. Then two learned parameters scale and shift it again.",
    "Three paths",
    "Each input changes its own output, the mean and the standard deviation, and so all outputs of its channel. The gradients of the three paths are added.",
  ],
  add: [
    "A sum",
    "The outputs of several layers are added, element by element.",
    "A copy for each term",
    "If one term grows by 1, the sum grows by 1. Each term receives the whole gradient.",
  ],
};
const CURVE = ["The slope of the curve", "If the input grows a little, the output grows by the slope of the curve times as much. The gradient is multiplied by this slope."];
const SOFTMAX = [
  "Softmax",
  "Each score becomes e to the power of the score, divided by the sum of all. The results are positive and add up to 1.",
];

const MOST_OPEN = 12;
const HELD = 4; // rank of the stops that the picture replaces
const GRADIENT = "The gradient says how the loss changes if a value grows.";

/**
 * @param {Trace} trace @param {Path | null} path  strongest path to the gradient of a weight
 * @param {number | null} label  of the image; null if the prediction takes its place
 * @returns {Stop[]}
 */
export function stopsOf(trace, path, label) {
  const { layers, plan } = trace.description;
  const chain = chainOf(trace, path);
  const shown = layers.filter(({ name }) => trace.values.has(`${name}.y`));
  const gradient = path?.links[path.links.length - 1].cell ?? "";
  const last = shown.findIndex(({ name }) => name === layered(parted(gradient).tensor).layer);
  const back = shown.slice(Math.max(0, last)).reverse().filter(({ name }) => trace.values.has(`${name}.dy`));
  const loss = plan.loss ? [lossStop(trace, chain, label)] : [];
  const { training } = passWords(trace.description);
  const stops = [
    ...shown.map((layer) => layerStop(trace, chain, layer)),
    ...loss,
    ...back.map(({ name }, at) => gradientStop(trace, chain, name, at === 0)),
    ...weightStops(trace, gradient),
  ];
  const outputs = stops.slice(Math.max(0, shown.length - 1), shown.length + loss.length + 1); // of the last layer, the loss and its gradient
  for (const { words } of training ? outputs : []) words.push(training);
  return folded(stops);
}

/**
 * Leaves out stops if there are too many. Those that the picture replaces are always left out. Those that remain are, in this
 * order: those without a kind, the first layer and the last one before the loss, the last of each kind backward, next to the weight, the first of each kind forward, and the others. The stop before them lists
 * those left out.
 * @param {Stop[]} stops
 */
function folded(stops) {
  const ranks = stops.map(({ kind, phase, isHeld }, at) => {
    const isSame = (/** @type {Stop} */ other) => other.kind === kind && other.phase === phase;
    if (isHeld) return HELD;
    if (kind === undefined || at === 0 || stops[at + 1]?.layer === "loss") return 0;
    if (phase === "backward") return stops.findLastIndex(isSame) === at ? 1 : 3;
    return stops.findIndex(isSame) === at ? 2 : 3;
  });
  const order = [...stops.keys()].sort((a, b) => ranks[a] - ranks[b] || a - b);
  const open = new Set(order.slice(0, MOST_OPEN).filter((at) => ranks[at] !== HELD));
  /** @type {Stop[]} */
  const kept = [];
  stops.forEach((stop, at) => {
    if (open.has(at)) kept.push({ ...stop, passed: [] });
    else kept.at(-1)?.passed?.push(stop);
  });
  return kept;
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {import("../../types.js").LayerInfo} layer @returns {Stop} */
function layerStop(trace, chain, { name, type }) {
  const [title, words] = type === "Softmax" ? SOFTMAX : (OPERATIONS[operationOf(trace, name)] ?? [type, ""]);
  return { title: `${name}: ${title}`, words: words ? [words] : [], cell: cellOn(trace, chain, `${name}.y`), layer: name, phase: "forward", rule: true, kind: title };
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {number | null} label  of the image @returns {Stop} */
function lossStop(trace, chain, label) {
  const { plan, outputs, step } = trace.description;
  const loss = trace.values.get("loss.y")?.data[0] ?? 0;
  const name = labelName(trace.description, trace.picture.label);
  const about = label === null ? `No label is chosen, so the prediction, ${name}, takes its place. ` : `The correct class is ${name}. `;
  const words = [`${name && about}The loss, ${formatNumber(loss)}, says in one number how wrong the network is. Training makes it smaller.`];
  const tensor = plan.forward.find(({ reads }) => reads[1]?.storage === plan.target?.storage)?.writes[0].storage ?? "loss.y";
  if (outputs.length) words.push(`It is ${outputs.map((output) => `${output.weight === 1 ? "" : `${formatNumber(output.weight)} · `}the loss of ${output.name}`).join(" + ")}.`);
  else if (trace.values.get(tensor)?.shape.length) words.push("It is the mean of the losses at all positions. At the position with the largest one:");
  if (step.scaling) words.push("Training standardizes the targets: from each it subtracts the mean of the training data and divides by their standard deviation. So outputs and targets are not in their unit here.");
  if (plan.weights) words.push("Classes or samples have weights in this loss.");
  return { title: "The loss", words, cell: outputs.length ? "loss.y" : cellOn(trace, chain, tensor), layer: "loss", phase: "forward", rule: !outputs.length };
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {string} name @param {boolean} isFirst @returns {Stop} */
function gradientStop(trace, chain, name, isFirst) {
  const readers = trace.description.plan.forward.filter(({ reads }) => reads.some((tensor) => tensor?.storage === `${name}.y`));
  const cell = cellOn(trace, chain, `${name}.dy`);
  const { operation } = cell ? explain(trace, cell) : { operation: null };
  const stop = { cell, layer: name, phase: /** @type {const} */ ("backward"), rule: true };
  const error = errorOf(trace, { operation, tensor: `${name}.dy` });
  if (error) {
    const times = error.factor === 1 ? "" : `, times ${formatNumber(error.factor)}`;
    const about = error.title === "p" ? ", where p are the probabilities of the scores" : "";
    return { ...stop, title: "The error: output minus target", words: [`${GRADIENT} Here it is simply the output minus the target, ${error.title} − t${times}${about}.`] };
  }
  if (isFirst) return { ...stop, title: "The gradient of the loss", words: [GRADIENT] };
  if (readers.length > 1) {
    const words = `${readers.length} layers read these values. The gradients that they send back are added.`;
    return { ...stop, title: `Back to ${name}: the sum of ${readers.length} gradients`, words: [words], kind: "sum" };
  }
  const [reader] = readers;
  const [title, words] = backWords(trace, reader);
  const through = reader?.writes[0].name.split(".")[0] ?? name;
  const isHeld = holdable(trace).some((other) => other === reader && other.name === "cross_correlate");
  return { ...stop, title: `Back through ${through}${title ? `: ${title.toLowerCase()}` : ""}`, words: words ? [words] : [], kind: reader?.name ?? "", isHeld };
}

/** The stop of the weight's update, if there is one. @param {Trace} trace @param {string} gradient  of the weight @returns {Stop[]} */
function weightStops(trace, gradient) {
  const { layout } = trace.description;
  const { tensor, index } = parted(gradient);
  const parameter = Object.keys(layout).find((name) => gradientName(name) === tensor && trace.values.has(`${name}.update`));
  if (!parameter) return [];
  return [{ title: "The step", words: [stepWords(trace, parameter, index)], cell: named(`${parameter}.update`, index), layer: null, phase: "update", rule: true }];
}

/** Says how the optimizer moves the weight. @param {Trace} trace @param {string} parameter @param {number[]} index */
function stepWords(trace, parameter, index) {
  const [before, after] = [parameter, `${parameter}.update`].map((tensor) => valueOf(trace, named(tensor, index)) ?? 0);
  const change = after - before;
  const decimals = decimalsThatAdd(decimalsOf(change), [[after, before, change]]);
  const count = trace.batch?.numbers.length ?? 1;
  const averaged = count > 1 ? `, averaged over the ${counted(count, "image")} of the batch` : " for this image";
  return `The optimizer, ${trace.description.optimizer.name}, moves the weight from ${fixed(before, decimals)} to ${fixed(after, decimals)}. The change is ${fixed(change, decimals)}. It goes against the gradient${averaged}.`;
}

/** Returns the title and the words of the way back through an operation. @param {Trace} trace @param {import("../../types.js").Operation | undefined} operation */
function backWords({ description: { operations } }, operation) {
  if (!operation) return ["", ""];
  const { name } = operation;
  if (operations[name]?.slope && name !== "relu") return CURVE;
  return OPERATIONS[name]?.slice(2) ?? ["", ""];
}

/** Returns the name of the operation that computes a layer's output. @param {Trace} trace @param {string} layer */
function operationOf({ description: { plan } }, layer) {
  return plan.forward.find(({ writes }) => writes.some(({ storage }) => storage === `${layer}.y`))?.name ?? "";
}
