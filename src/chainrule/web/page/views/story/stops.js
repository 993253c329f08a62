/**
 * The stops of the walk: one per layer forward, from the input to the loss, then one per layer back to the weight, and its
 * update. Their cells depend on each other.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../explain/paths.js").Path} Path
 * @typedef {{
 *   title: string, words: string[], cell: string | null, layer: string | null, phase: Phase, rule: boolean,
 *   kind?: string, passed?: Stop[], chain?: Map<string, string>, opened?: string | null, sample?: number | null, step?: number | null,
 * }} Stop  cell: the cell that is explained; rule: whether the rule of its layer is shown as a picture; kind: operation, of
 *   the stops that may be left out; passed: stops left out after this one; chain: the cell of each tensor in the walk; opened, sample, step: of a teacher's walk, the cell whose computation is shown below the network, the image and the step
 */

import { gradientName, isCoupled } from "../../engine/interpreter.js";
import { changeOf, shareDecimals } from "../../explain/change.js";
import { explain } from "../../explain/index.js";
import { layered, named, parted, valueOf } from "../../explain/naming.js";
import { asPrinted, decimalsOf, decimalsThatAdd, digitsThat, fixed, formatNumber } from "../../explain/numbers.js";
import { counted } from "../../numbers_brief.js";
import { labelName } from "../../source/samples.js";
import { cellOn, chainOf } from "./chain.js";
import { errorOf } from "./output_error.js";

/** What each operation does, and what its backward pass does. @type {Record<string, [string, string, string, string]>} */
const OPERATIONS = {
  cross_correlate: [
    "A convolution",
    "Small kernels slide over the maps. At each position, multiply the values under the kernel by its weights and add the products.",
    "The kernel is rotated",
    "Several outputs used this value, each with another weight. An output further up or left reached it with a weight further down or right in the kernel, and the other way round. Laid over the gradients of these outputs, the weights are therefore in reverse order: the kernel is rotated by half a turn.",
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
/** What the backward pass of other convolutions does. */
const UNTURNED = ["The kernel is not rotated", "Forward, this layer has already rotated its kernel. Laid over the gradients of the outputs, the kernel is as it is stored."];
const SINGLE = ["One weight for each map", "Each map of the output used this value with one weight. Multiply the gradient of each output by its weight and add."];
const CURVE = ["The slope of the curve", "If the input grows a little, the output grows by the slope of the curve times as much. The gradient is multiplied by this slope."];
const SOFTMAX = [
  "Softmax",
  "Each score becomes e to the power of the score, divided by the sum of all. The results are positive and add up to 1.",
];

const MOST_OPEN = 12;
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
  const stops = [
    inputStop(trace, chain),
    ...shown.map((layer) => layerStop(trace, chain, layer)),
    ...loss,
    ...back.map(({ name }, at) => gradientStop(trace, chain, name, at === 0)),
    ...weightStops(trace, gradient),
  ];
  return folded(stops).map((stop) => ({ ...stop, chain }));
}

/**
 * Leaves out stops if there are too many. Those that remain are, in this order: those without a kind and the first layer, the
 * last of each kind backward, next to the weight, the first of each kind forward, and the others. The stop before them lists
 * those left out.
 * @param {Stop[]} stops
 */
function folded(stops) {
  const ranks = stops.map(({ kind, phase }, at) => {
    const isSame = (/** @type {Stop} */ other) => other.kind === kind && other.phase === phase;
    if (kind === undefined || at === 1) return 0;
    if (phase === "backward") return stops.findLastIndex(isSame) === at ? 1 : 3;
    return stops.findIndex(isSame) === at ? 2 : 3;
  });
  const order = [...stops.keys()].sort((a, b) => ranks[a] - ranks[b] || a - b);
  const open = new Set(order.slice(0, MOST_OPEN));
  /** @type {Stop[]} */
  const kept = [];
  stops.forEach((stop, at) => {
    if (open.has(at)) kept.push({ ...stop, passed: [] });
    else kept.at(-1)?.passed?.push(stop);
  });
  return kept;
}

/** @param {Trace} trace @param {Map<string, string>} chain @returns {Stop} */
function inputStop(trace, chain) {
  const { normalization, input_shape: shape } = trace.description;
  const scaled = normalization.kind === "none" ? "" : " The network reads them normalized: each byte is scaled and shifted.";
  return { title: "The input", words: [`The ${shape.length === 3 ? "image" : "input"} has ${shape.join(" × ")} values.${scaled}`], cell: cellOn(trace, chain, "x"), layer: "input", phase: "forward", rule: false };
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {import("../../types.js").LayerInfo} layer @returns {Stop} */
function layerStop(trace, chain, { name, type }) {
  const [title, words] = type === "Softmax" ? SOFTMAX : (OPERATIONS[operationOf(trace, name)] ?? [type, ""]);
  return { title: `${name}: ${title}`, words: words ? [words] : [], cell: cellOn(trace, chain, `${name}.y`), layer: name, phase: "forward", rule: true, kind: title };
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {number | null} label  of the image @returns {Stop} */
function lossStop(trace, chain, label) {
  const { plan, outputs } = trace.description;
  const loss = trace.values.get("loss.y")?.data[0] ?? 0;
  const name = labelName(trace.description, trace.picture.label);
  const about = label === null ? `No label is chosen, so the prediction, ${name}, takes its place. ` : `The correct class is ${name}. `;
  const words = [`${name && about}The loss, ${formatNumber(loss)}, says in one number how wrong the network is. Training makes it smaller.`];
  const tensor = plan.forward.find(({ reads }) => reads[1]?.storage === plan.target?.storage)?.writes[0].storage ?? "loss.y";
  if (outputs.length) words.push("It is the sum of the losses of the outputs.");
  else if (trace.values.get(tensor)?.shape.length) words.push("It is the mean of the losses at all positions. At the position with the largest one:");
  return { title: "The loss", words, cell: outputs.length ? "loss.y" : cellOn(trace, chain, tensor), layer: "loss", phase: "forward", rule: !outputs.length };
}

/** @param {Trace} trace @param {Map<string, string>} chain @param {string} name @param {boolean} isFirst @returns {Stop} */
function gradientStop(trace, chain, name, isFirst) {
  const reader = readerOf(trace, name);
  const cell = cellOn(trace, chain, `${name}.dy`);
  const [title, words] = backWords(trace, reader);
  const { operation } = cell ? explain(trace, cell) : { operation: "" };
  const error = errorOf(trace, { operation, tensor: `${name}.dy` });
  if (error) {
    const times = error.factor === 1 ? "" : `, times ${formatNumber(error.factor)}`;
    const about = error.title === "p" ? ", where p are the probabilities of the scores" : "";
    const text = `${GRADIENT} Here it is simply the output minus the target, ${error.title} − t${times}${about}. The score of this stop is framed.`;
    return { title: "The error: output minus target", words: [text], cell, layer: name, phase: "backward", rule: true };
  }
  if (isFirst) return { title: "The gradient of the loss", words: [GRADIENT], cell, layer: name, phase: "backward", rule: true };
  const through = reader?.writes[0].name.split(".")[0] ?? name;
  return { title: `Back through ${through}${title ? `: ${title.toLowerCase()}` : ""}`, words: words ? [words] : [], cell, layer: name, phase: "backward", rule: true, kind: reader?.name ?? "" };
}

/** The stops of the weight: its own gradient, and its update. @param {Trace} trace @param {string} gradient  of the weight @returns {Stop[]} */
function weightStops(trace, gradient) {
  const { layout } = trace.description;
  const { tensor, index } = parted(gradient);
  const parameter = Object.keys(layout).find((name) => gradientName(name) === tensor && trace.values.has(`${name}.update`));
  if (!parameter) return [];
  const words = [stepWords(trace, parameter, index), meanWords(trace, parameter, gradient), shareWords(trace, parameter, index)].filter(Boolean);
  const own = "A change of the weight changes every output that used it. The ways to the loss through all these outputs are added.";
  return [{ title: "The weight’s own gradient", words: [own], cell: gradient, layer: layered(tensor).layer, phase: "backward", rule: true }, { title: "The step", words, cell: named(`${parameter}.update`, index), layer: null, phase: "update", rule: true }];
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

/** Says how the shown image's gradient becomes that of the batch; "" if the image is not one of it. @param {Trace} trace @param {string} parameter @param {string} gradient */
function meanWords(trace, parameter, gradient) {
  const count = trace.batch?.numbers.length ?? 1;
  if (count === 1 || trace.picture.place === undefined || isCoupled(trace.description)) return "";
  const own = valueOf(trace, gradient) ?? 0;
  const mean = valueOf(trace, named(`${parameter}.g`, parted(gradient).index)) ?? 0;
  const [part, rest] = [own / count, mean - own / count];
  const decimals = decimalsThatAdd(decimalsOf(mean), [[mean, part, rest]]);
  const enough = digitsThat((digits) => fixed(asPrinted(own, digits) / count, decimals) === fixed(part, decimals));
  return `The gradient of this image is 1 of ${count}: it adds ${formatNumber(own, enough)} / ${count} = ${fixed(part, decimals)} to their mean. The other images add ${fixed(rest, decimals)}, so the mean gradient is ${fixed(mean, decimals)}.`;
}

/** Says which shares of the change the batch and the optimizer's memory have; "" if there is only one. @param {Trace} trace @param {string} parameter @param {number[]} index */
function shareWords(trace, parameter, index) {
  const change = changeOf(trace, parameter, index);
  if (!change) return "";
  const { operations, optimizer } = trace.description;
  const decimals = shareDecimals(change);
  const causes = /** @type {[number, string][]} */ ([
    [change.memory, `is due to the gradients of earlier steps, which the optimizer remembers in ${operations[optimizer.operation].moment}`],
    [change.batch, "to the gradient of this batch"],
    [change.decay, "to weight decay"],
  ]).filter(([value]) => value);
  const shares = causes.map(([value, words]) => `${fixed((100 * value) / change.total, decimals)}\u00a0% ${words}`);
  return shares.length > 1 ? `Of this change, ${shares.join(", and ")}.` : "";
}

/** Returns the title and the words of the way back through an operation. @param {Trace} trace @param {import("../../types.js").Operation | undefined} operation */
function backWords({ description: { operations, shapes } }, operation) {
  if (!operation) return ["", ""];
  const { name, attributes, reads: [, weights] } = operation;
  if (operations[name]?.slope && name !== "relu") return CURVE;
  if (name === "cross_correlate") {
    if (Math.max(...(shapes[weights?.storage ?? ""] ?? []).slice(2)) === 1) return SINGLE;
    if (attributes.flip) return UNTURNED;
  }
  return OPERATIONS[name]?.slice(2) ?? ["", ""];
}

/** Returns the name of the operation that computes a layer's output. @param {Trace} trace @param {string} layer */
function operationOf({ description: { plan } }, layer) {
  return plan.forward.find(({ writes }) => writes.some(({ storage }) => storage === `${layer}.y`))?.name ?? "";
}

/** Returns the operation that reads a layer's output. @param {Trace} trace @param {string} layer */
function readerOf({ description: { plan } }, layer) {
  return plan.forward.find(({ reads }) => reads.some((tensor) => tensor?.storage === `${layer}.y`));
}
