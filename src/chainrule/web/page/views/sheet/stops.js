/**
 * The stops of the sheet: forward through the layers of the thread, back from the loss to the weight, the step, and the same
 * image again. Each stop shows numbers that the next ones use.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../explain/sheet.js").Sheet} Sheet
 * @typedef {import("../../explain/sheet.js").Column} Column
 * @typedef {"bars" | "turned" | "slider" | "batch" | "after" | null} Side
 * @typedef {{
 *   name: string, title: string, words: string, cell: string | null, lit: string[] | null, shows: string[], fills: string[],
 *   side: Side, isAfter: boolean, sample?: number | null, step?: number | null,
 * }} Stop  cell: whose sum is printed; lit: further cells that are lit, null: all; shows, fills: tensors or cells whose values,
 *   and tensors whose gradients, are shown from here on; side: the picture beside the words; isAfter: whether the numbers are
 *   those after the step; sample, step: of a teacher's stop
 */

import { gradientName, isCoupled } from "../../engine/interpreter.js";
import { classOf } from "../../engine/trace.js";
import { explain } from "../../explain/index.js";
import { cellsOf, gradientOf } from "../../explain/sheet.js";
import { layered, named, parted, valueOf } from "../../explain/naming.js";
import { decimalsOf, decimalsThatAdd, fixed, formatNumber } from "../../explain/numbers.js";
import { counted, percent, whole } from "../../numbers_brief.js";
import { labelName } from "../../source/samples.js";

/** What each operation does, and what its backward pass does. @type {Record<string, [string, string, string, string]>} */
const OPERATIONS = {
  cross_correlate: [
    "Lay a kernel on the numbers. Multiply, and add.",
    "Each number under the kernel is multiplied by the weight that lies on it. The sum of the products, plus the bias, is one number of the next map.",
    "Back through the kernels.",
    "Every output used this number, each with another weight. Multiply the gradient of each output by the weight that it used, and add.",
  ],
  dense: [
    "Every number counts for every output.",
    "An output has a weight for each number. The products, plus the bias, add up to it.",
    "Back through the same weights.",
    "This number took part in every output. It gets back the gradient of each output, times the weight that it had there. Add them.",
  ],
  relu: ["Cut off below 0.", "Positive numbers stay, all others become 0. This is called ReLU.", "A number that was cut off gets no gradient.", "If the number was above 0, the gradient passes unchanged. If it was cut off, a small change of it changes nothing, and its gradient is 0."],
  max_pool: ["Keep the largest of each window.", "The other numbers of the window have no influence: not now, and not on the way back. This is called max pooling.", "The largest number takes the whole gradient.", "The pooled number is a copy of the largest one in its window. So its gradient goes to that number alone; the others get 0."],
  average_pool: ["Take the mean of each window.", "Every number of the window counts for the same share.", "Equal shares.", "Each number of the window gets the same share of the gradient."],
  batch_norm: ["Shift and scale each channel.", "Over the batch, the numbers of a channel get the mean 0 and the standard deviation 1. Two learned numbers then scale and shift them again. This is called batch normalization.", "Three ways back.", "A number changes its own output, the mean and the deviation, and so all outputs of its channel. The three parts of its gradient are added."],
  add: ["Add what two layers give.", "The numbers of several layers are added, cell by cell.", "A copy for each.", "If one of the added numbers grows, the sum grows as much. Each gets the whole gradient."],
};
const OTHER = ["", "", "Back through the layer.", "The gradient of the output becomes the gradient of the input."];
const CURVE = ["Bend each number.", "The same curve is applied to every number.", "The slope of the curve.", "If a number grows a little, its output grows by the slope of the curve times as much. So the gradient is multiplied by this slope."];
const SLOPE = "From here on, each cell has a second number, below its value: the slope of the loss along this value, ∂L/∂ of it, also called its gradient. A positive slope means that the loss grows if the value grows a little, so the value should shrink. A negative one means that the value should grow.";

/** @param {Trace} trace @param {Sheet} sheet @param {number | null} label  of the image; null if the prediction takes its place @param {number[] | null} answer  of the network @returns {Stop[]} */
export function stopsOf(trace, sheet, label, answer) {
  const { columns, thread, weight } = sheet;
  const layers = columns.filter(({ operation, role }) => operation && role !== "weights");
  const [first] = columns;
  const plain = { cell: null, lit: /** @type {string[]} */ ([]), shows: /** @type {string[]} */ ([]), fills: /** @type {string[]} */ ([]), side: /** @type {Side} */ (null), isAfter: false };
  const cellIn = (/** @type {string} */ tensor) => thread.find((cell) => parted(cell).tensor === tensor) ?? null;
  const hasLoss = valueOf(trace, "loss.y") !== null;
  const scores = thread[thread.length - 1] ?? null;
  const end = columns.filter(({ role, operation }) => role === "units" || !operation).flatMap(cellsOf);
  const results = end.filter((cell) => !thread.includes(cell) && /^(?:t|loss\.y|.*\.y)(?:\[|$)/u.test(cell) && !cellsOf(first).includes(cell));
  /** @type {Stop[]} */
  const stops = [{ ...plain, name: "The question", ...opening(trace, sheet, label, answer), lit: null, side: "bars", shows: [first.tensor, ...parameters(columns)] }];
  stops.push({ ...plain, name: "The input", title: "The network sees numbers, nothing else.", words: `${sheet.isWhole ? "This is the whole input of the first layer" : "These are the inputs around the green thread"}, as the network reads them.`, lit: cellsOf(first) });
  for (const group of grouped(layers)) {
    const [title, words] = wordsOf(trace, group[0], 0);
    const named_ = group.map(({ tensor }) => layered(tensor).layer);
    const isSlid = group.length === 1 && group[0].operation?.name === "cross_correlate";
    const { tensor } = group[group.length - 1];
    const cell = cellIn(tensor);
    const isRepeated = group.length > 1;
    stops.push({
      ...plain,
      name: named_.length > 1 ? `${named_[0]} to ${named_.at(-1)}` : named_[0],
      title: isRepeated ? "The same again, layer after layer." : title,
      words: isRepeated ? `${named_.join(", ")}: the layers repeat what came before, each with weights of its own.` : words,
      cell,
      shows: isSlid && cell ? [cell] : group.map((column) => column.tensor),
    });
    if (!isSlid || !cell) continue;
    const { data = [], shape = [] } = trace.values.get(tensor) ?? {};
    stops.push({ ...plain, name: "Slide it", title: `Slide the kernel: the same weights at ${whole(data.length / (shape[0] ?? 1))} places.`, words: "That is a convolution. Every number of a map is the same sum, taken one place further on. Point at any of them, or tap it, to see what it is made of. One weight takes part in all sums of its map.", lit: [...cellsOf(columns[columns.indexOf(group[0]) - 1]), ...cellsOf(group[0])], shows: [tensor] });
  }
  if (hasLoss) stops.push({ ...plain, name: "The loss", ...lossWords(trace, label), cell: results.find((cell) => isProbability(trace, cell)) ?? "loss.y", lit: [...(scores ? [scores] : []), ...results], shows: [...results.map((cell) => parted(cell).tensor)], side: "bars" });
  if (scores && weight && valueOf(trace, gradientOf(scores)) !== null) {
    stops.push({ ...plain, name: "The error", ...errorWords(trace, scores), cell: gradientOf(scores), lit: results, fills: [parted(scores).tensor] });
    stops.push(...backward(trace, sheet, layers, plain));
    stops.push(...weightStops(trace, sheet, plain));
  }
  stops.push({ ...plain, name: "Your turn", title: "Your turn: point at any number, or tap it.", words: "What it is made of lights up, and the sum stands below. Click to keep it; Escape or a second click releases it. These are the numbers before the step again.", lit: null, shows: columns.map(({ tensor }) => tensor), fills: columns.map(({ tensor }) => tensor) });
  return stops;
}

/** Returns the tensors of parameters that the sheet shows. @param {Column[]} columns */
function parameters(columns) {
  return columns.flatMap((column) => (column.role === "values" ? [] : cellsOf(column).map((cell) => parted(cell).tensor))).filter((tensor) => !/\.y$|^t$/u.test(tensor));
}

/** Groups the layers: a kind that was already explained joins the layer before it. @param {Column[]} layers */
function grouped(layers) {
  const seen = new Set();
  /** @type {Column[][]} */
  const groups = [];
  for (const column of layers) {
    const name = column.operation?.name;
    const last = column === layers[layers.length - 1];
    if (seen.has(name) && !last && groups.at(-1)?.every(({ operation }) => operation?.name !== "dense")) {
      const before = groups[groups.length - 1];
      if (before.length > 1 || before.some((other) => layers.slice(0, layers.indexOf(other)).some(({ operation }) => operation?.name === other.operation?.name))) before.push(column);
      else groups.push([column]);
    } else groups.push([column]);
    seen.add(name);
  }
  return groups;
}

/** @param {Trace} trace @param {Column} column @param {0 | 2} at  0: forward, 2: backward @returns {string[]} */
function wordsOf({ description: { operations, layers } }, { operation, tensor }, at) {
  const name = operation?.name ?? "";
  const type = layers.find((layer) => layer.name === layered(tensor).layer)?.type ?? name;
  const known = OPERATIONS[name] ?? (operations[name]?.slope ? CURVE : OTHER);
  const [title, words] = known.slice(at, at + 2);
  return [title || `${type}.`, words];
}

/** @param {Trace} trace @param {Sheet} sheet @param {number | null} label @param {number[] | null} answer */
function opening(trace, { weight, isWhole }, label, answer) {
  const { description } = trace;
  const count = description.layers.reduce((sum, layer) => sum + layer.parameters, 0);
  const extent = isWhole ? `All its ${whole(count)} weights and biases are on this sheet.` : `It has ${whole(count)} weights and biases; this sheet shows those along one thread.`;
  const change = changeOf(trace, weight);
  const question = change ? ` One of them, <b>outlined in green</b>, went from ${change.before} to ${change.after} in this training step. Follow it to see why.` : " Follow the thread, outlined in green, to the loss and back.";
  const isClass = label !== null && answer && description.measure !== "mean_absolute_error" && (description.plan.target?.shape.length ?? 1) < 2;
  if (!isClass) return { title: `This is how ${description.name} computes its answer, and learns from it.`, words: extent + question };
  const predicted = classOf(answer, description);
  const [right, said] = [label, predicted].map((k) => labelName(description, k));
  const title = predicted === label ? `This is “${right}”. The network says so too, with ${percent(answer[label])}.` : `This is “${right}”. The network says “${said}”.`;
  return { title, words: extent + question };
}

/** Returns the weight before and after the step; null if it does not change. @param {Trace} trace @param {string | null} weight */
export function changeOf(trace, weight) {
  if (weight === null) return null;
  const { tensor, index } = parted(weight);
  const [before, after] = [valueOf(trace, weight), valueOf(trace, named(`${tensor}.update`, index))];
  if (before === null || after === null) return null;
  const decimals = decimalsThatAdd(decimalsOf(after - before), [[after, before, after - before]]);
  return { before: fixed(before, decimals), after: fixed(after, decimals), change: fixed(after - before, decimals) };
}

/** Returns whether a cell is the output of the label's class, after the scores. @param {Trace} trace @param {string} cell */
function isProbability({ picture }, cell) {
  const { tensor, index } = parted(cell);
  return tensor.endsWith(".y") && tensor !== "loss.y" && index.length === 1 && index[0] === picture.label;
}

/** @param {Trace} trace @param {number | null} label */
function lossWords(trace, label) {
  const { plan, recipe, step } = trace.description;
  const loss = formatNumber(valueOf(trace, "loss.y") ?? 0);
  const name = labelName(trace.description, trace.picture.label);
  const about = label === null && name ? `No label is chosen, so the prediction, “${name}”, takes its place. ` : "";
  const scaled = step.scaling ? " Training standardizes the targets, so outputs and targets are not in their unit here." : "";
  if (typeof recipe.loss === "string" && /^(?:softmax|categorical)_cross_entropy$/u.test(recipe.loss) && (plan.target?.shape.length ?? 1) < 2) {
    return { title: "Scores become probabilities, and one number says how wrong they are.", words: `${about}Softmax raises e to each score and divides by the sum, so that the probabilities add up to 1. The loss L is minus the logarithm of the probability of the right class: 0 would be perfect, and here it is ${loss}.${scaled}` };
  }
  return { title: "One number says how wrong the network is.", words: `${about}The loss L, ${loss}, compares outputs and targets. Training makes it smaller.${(plan.target?.shape.length ?? 1) > 1 ? " It is the mean over all positions." : ""}${scaled}` };
}

/** @param {Trace} trace @param {string} scores */
function errorWords(trace, scores) {
  const { jacobian, operation } = explain(trace, gradientOf(scores));
  if (jacobian || operation === "softmax_cross_entropy_dp") {
    const why = "L = −s + ln Σ eᶻ, over the scores z of all classes, where s is that of the right one. Its slope along a score is the probability p, minus 1 for the right class.";
    return { title: "Now backward. Softmax sends back probability minus target.", words: `${SLOPE} For a score, it is p − t, its probability minus its target: the score of the right class should grow, and all others should shrink, those with a large probability most. The reason: ${why}` };
  }
  return { title: "Now backward. The slope of the loss.", words: SLOPE };
}

/** @param {Trace} trace @param {Sheet} sheet @param {Column[]} layers @param {any} plain @returns {Stop[]} */
function backward(trace, { columns, thread, weight }, layers, plain) {
  const own = layered(parted(weight ?? "").tensor).layer;
  const at = layers.findIndex(({ tensor }) => layered(tensor).layer === own);
  const passed = layers.slice(at + 1).reverse(); // the layers between the loss and the weight's layer
  return grouped(passed).map((group) => {
    const { tensor } = group[group.length - 1];
    const input = columns.slice(0, columns.findIndex((column) => column.tensor === tensor)).findLast(({ role }) => role !== "weights");
    const cell = thread.find((name) => parted(name).tensor === input?.tensor) ?? null;
    const sum = explain(trace, gradientOf(cell ?? thread[0])).sources.filter((source) => /_[^.]*$/u.test(parted(source).tensor)).length;
    const [title, words] = sum > 1 ? [`${counted(sum, "layer")} used these numbers.`, `Each of the ${sum} layers sends back a gradient. They are added.`] : wordsOf(trace, group[group.length - 1], 2);
    const isRepeated = group.length > 1;
    const names = group.map((column) => layered(column.tensor).layer);
    const fills = group.flatMap((column) => {
      const place = columns.indexOf(column);
      const before = columns.slice(0, place).findLast(({ role }) => role !== "weights");
      const weights = column.role === "units" ? cellsOf(column).map((name) => parted(name).tensor) : columns[place - 1]?.role === "weights" ? [columns[place - 1].tensor, ...cellsOf(columns[place - 1]).map((name) => parted(name).tensor)] : [];
      return [...(before ? [before.tensor] : []), ...weights.filter((name) => name in trace.description.layout && trace.values.has(gradientName(name)))];
    });
    return { ...plain, name: `Back: ${names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]}`, title: isRepeated ? "The same way back, layer after layer." : title, words: (isRepeated ? `${names.join(", ")}: each layer passes the gradient on to the numbers that it read.` : words), cell: cell && gradientOf(cell), fills };
  });
}

/** @param {Trace} trace @param {Sheet} sheet @param {any} plain @returns {Stop[]} */
function weightStops(trace, sheet, plain) {
  const { weight, columns } = sheet;
  if (!weight) return [];
  const gradient = gradientOf(weight);
  const { terms } = explain(trace, gradient);
  const used = terms.filter(({ value }) => value !== 0).length;
  const change = changeOf(trace, weight);
  const place = columns.findIndex((column) => cellsOf(column).includes(weight));
  const column = columns[place];
  const kernels = column?.role === "weights" ? [column.tensor, ...cellsOf(column).map((name) => parted(name).tensor)] : [];
  const slope = formatNumber(valueOf(trace, gradient) ?? 0);
  const where = terms.length > 1
    ? `The green weight was used at ${counted(terms.length, "place")}. ${used === terms.length ? "" : `At ${terms.length - used} of them, the gradient or the number under the weight is 0. `}At each of the others, multiply the gradient of the output by the number that lay under the weight. The sum, ${slope}, is the slope of the loss along this weight: its gradient, dw.`
    : `The green weight connects one input with one output. The gradient of the output times the input, ${slope}, is the slope of the loss along this weight.`;
  /** @type {Stop[]} */
  const stops = [{ ...plain, name: "The weight’s gradient", title: terms.length > 1 ? "One weight, many places where it mattered. Add them up." : "One weight, one product.", words: where, cell: gradient, fills: kernels.length ? kernels : cellsOf(column ?? columns[0]).map((name) => parted(name).tensor) }];
  const before = columns.slice(0, place).findLast(({ role }) => role !== "weights");
  const pixel = turnedPixel(trace, sheet);
  if (pixel && before) stops.push({ ...plain, name: "Why the kernel turns", title: "Seen from a number, the kernel is turned.", words: `Take the number ${formatNumber(valueOf(trace, pixel) ?? 0, 2)}. Every output whose window covered it sends back its gradient, times the weight that lay on the number. As the kernel moves to the right, the number lies further left under it: the first output used the last weight, and the last output the first. Up and down, it is the same. So, beside the outputs in their order, the weights stand in reverse: the kernel is turned by half a turn.`, cell: gradientOf(pixel), side: "turned", fills: [before.tensor] });
  if (change) {
    const sum = trace.batch && trace.batch.numbers.length > 1;
    if (sum) stops.push({ ...plain, name: "The batch", title: `${whole(trace.batch?.numbers.length ?? 1)} images, one step.`, words: `Each image of the batch has a sheet of its own, and so a gradient of its own for the green weight. Their mean is the gradient of the step.${isCoupled(trace.description) ? " With batch normalization, an image’s part also depends on the others." : ""} Click an image to see its sheet.`, lit: [weight], side: "batch" });
    stops.push({ ...plain, name: "The step", title: "Move each weight a little against its slope.", words: `${ruleWords(trace, weight)} The green weight goes from ${change.before} to ${change.after}. All other weights move by the same rule. Drag the slider: all numbers on the sheet follow. The curve is the loss of this image alone.`, cell: named(`${parted(weight).tensor}.update`, parted(weight).index), lit: [weight], side: "slider" });
    stops.push({ ...plain, name: "Afterwards", title: "The same image again.", words: "", lit: null, side: "after", isAfter: true });
  }
  return stops;
}

/** Says why the step moves a weight up or down, and how far. @param {Trace} trace @param {string} weight */
function ruleWords(trace, weight) {
  const { optimizer } = trace.description;
  const { tensor, index } = parted(weight);
  const isPlain = optimizer.name === "sgd" && !optimizer.moments.length;
  const isMean = (trace.batch?.numbers.length ?? 1) > 1;
  const slope = valueOf(trace, isMean ? named(`${tensor}.g`, index) : gradientOf(weight)) ?? 0;
  const name = `The ${isMean ? "mean slope of the batch" : "slope"}, ${formatNumber(slope)}, is ${slope < 0 ? "below" : "above"} 0`;
  if (!isPlain) return `${name}. The optimizer, ${optimizer.name}, decides how far to move, from this slope and those of earlier steps.`;
  const why = slope < 0 ? "a larger weight would make the loss smaller. So the weight moves up" : "a larger weight would make the loss larger. So the weight moves down";
  return `${name}: ${why}, by the learning rate, ${formatNumber(trace.frame.rate)}, times the slope. A step must not be long, because the slope is right only nearby.`;
}

/** Returns the input of the weight's layer whose gradient has the most terms on the sheet; null if the layer is no convolution, or has no gradient of its input. @param {Trace} trace @param {Sheet} sheet */
export function turnedPixel(trace, { columns, weight }) {
  const at = columns.findIndex((column) => column.role === "weights" && cellsOf(column).includes(weight ?? ""));
  const [input, kernel, output] = [columns[at - 1], columns[at], columns[at + 1]];
  const [grid] = kernel?.blocks[0]?.grids ?? [];
  if (!input || !output || output.operation?.name !== "cross_correlate" || output.operation.attributes.flip || grid.rows * grid.columns < 2) return null;
  const shown = new Set(cellsOf(output).map(gradientOf));
  let [best, most] = [/** @type {string | null} */ (null), 0];
  for (const cell of cellsOf(input)) {
    if (valueOf(trace, gradientOf(cell)) === null) return null;
    const count = explain(trace, gradientOf(cell)).terms.filter(({ factors, value }) => value !== 0 && factors.some((factor) => factor.cell !== null && shown.has(factor.cell))).length;
    const score = count + (valueOf(trace, cell) ? 0.5 : 0);
    if (score > most) [best, most] = [cell, score];
  }
  return most >= 2 ? best : null;
}

/** @param {import("../../types.js").OwnStop[]} walk @returns {Stop[]}  a teacher's stops, on which all numbers are known */
export function ownStops(walk) {
  return walk.map(({ title, words, cell, sample, step }) => ({ name: title, title, words: words.map(escaped).join("</p><p>"), cell, lit: null, shows: ["*"], fills: ["*"], side: null, isAfter: false, sample, step }));
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
