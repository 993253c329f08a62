/** Stops on the gradient and the update of one weight, and on the effect of the step on the loss. */
import { counted, roughNumber } from "../../../numbers_brief.js";
import { gradientName } from "../../../engine/interpreter.js";
import { lossAfter } from "../../../engine/nudge.js";
import { named } from "../../../explain/naming.js";
import { distinct, formatNumber } from "../../../explain/numbers.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

/**
 * Returns the weight that the first two stops explain: the one with the largest gradient in the second convolution that
 * does not share its weights (or the first, if there is only one), or in the dense layer of a network without
 * convolutions.
 * @param {Look} look
 */
function weight(look) {
  const count = look.operations("cross_correlate").length;
  const site = count ? ownConvolution(look) : look.site("dense");
  if (!site || !look.has(gradientName(site.w))) return null;
  const dw = gradientName(site.w);
  const index = look.largest(dw, Math.abs);
  const gradient = look.value(dw, index);
  return gradient === 0 ? null : { site, dw, index, gradient, convolution: count > 0 };
}

/** @param {Look} look */
function ownConvolution(look) {
  const own = look.operations("cross_correlate").flatMap((_, k) => {
    const site = look.planar("cross_correlate", k);
    return site && !look.isShared(site) ? [site] : [];
  });
  return own[Math.min(1, own.length - 1)] ?? null;
}

/** Builds the stop on a weight's gradient as a sum over positions. @param {Look} look @returns {Stop | null} */
export function gradient(look) {
  const found = weight(look);
  if (!found || !found.convolution) return null;
  const { site, dw, index } = found;
  const cell = named(dw, index);
  const w = named(site.w, index);
  const { terms, value } = look.explain(cell);
  const [up, down] = [terms.filter((term) => term.value > 0), terms.filter((term) => term.value < 0)];
  const total = (/** @type {typeof terms} */ some) => formatNumber(some.reduce((sum, term) => sum + term.value, 0));
  const loudest = terms.reduce((best, term) => (Math.abs(term.value) > Math.abs(best.value) ? term : best));
  const answers = choices("gradient", value < 0 ? GROW : SHRINK, [GROW, SHRINK, STAY]);
  const so = value < 0 ? "smaller, so it should increase" : "larger, so it should decrease";
  if (!answers) return null;
  const [o, c] = index;
  const { shape } = look.array(site.w);
  return {
    id: "gradient",
    title: "The gradient of one weight",
    phase: "backward",
    cell,
    number: null,
    choices: answers,
    words: [
      `${w} is one weight of a sliding kernel, so it was used at ${counted(terms.length, "position")} of map ${c}. Each ` +
        "position contributes the gradient of its output (dy) times the input under the weight (x). The gradient of " +
        `the weight is the sum of these ${counted(terms.length, "product")}.`,
      `${up.length} of them are positive and sum to ${total(up)}; ${down.length} are negative and ` +
        `sum to ${total(down)}; the others are 0, because dy or x is 0.`,
    ],
    figures: [
      look.figure(`${site.layer}.dy, map ${o}`, `${site.layer}.dy`, [o]),
      "·",
      met(look, site, index),
      "→",
      {
        ...look.figure(`${dw}, kernel ${o}, map ${c}`, dw, [o, c]),
        marks: new Map([[index[2] * shape[3] + index[3], "chosen"]]),
      },
    ],
    question: `To reduce the loss of this image, should ${w} increase or decrease?`,
    reveal: [
      `${cell} = ${formatNumber(value)}: increasing the weight makes the loss ${so}. A step goes against the gradient.`,
      `The largest contribution is ${loudest.factors[0].cell} · ${loudest.factors[1].cell} = ` +
        `${formatNumber(loudest.value)}. ` +
        "Follow it: its dy comes from a later layer, its x from an earlier one. In this way one can trace why " +
        "a weight changes.",
    ],
  };
}

/**
 * Returns a figure of the part of the input that a weight is multiplied by. For strides or dilations over 1, padding or
 * a flipped kernel, it shows the whole map.
 * @param {Look} look
 * @param {NonNullable<ReturnType<Look["planar"]>>} site
 * @param {number[]} index
 */
function met(look, { operation, x, y }, [, c, u, v]) {
  const { stride = [1, 1], padding = [[0, 0]], dilation = [1, 1], flip } = operation.attributes;
  const plain =
    [...stride, ...dilation].every((/** @type {number} */ each) => each === 1) &&
    padding.flat().every((/** @type {number} */ zeros) => zeros === 0);
  const [, rows, columns] = look.array(y).shape;
  if (!plain || flip) return look.figure(`${x}, map ${c}`, x, [c]);
  return look.figure(`${x}, map ${c}: the part multiplied by this weight`, x, [c], [u, v], [rows, columns]);
}

const GROW = "It should increase";
const SHRINK = "It should decrease";
const STAY = "It makes no difference";

/** Builds the stop on the direction and size of the update. @param {Look} look @returns {Stop | null} */
export function step(look) {
  const found = weight(look);
  if (!found) return null;
  const { site, index, gradient: g } = found;
  const name = site.w;
  if (!look.has(`${name}.update`)) return null;
  const cell = named(`${name}.update`, index);
  const [before, after] = [look.value(name, index), look.value(`${name}.update`, index)];
  const { rate } = look.trace.frame;
  const change = after - before;
  const moved = roughNumber(change);
  const answers = choices("step", moved, [-rate * g, -change, rate * g, -g, -rate * Math.sign(g)].map(roughNumber));
  if (!answers) return null;
  const { optimizer } = look.description;
  return {
    id: "step",
    title: `The step of ${called(optimizer.name)}`,
    phase: "update",
    cell,
    number: null,
    choices: answers,
    figures: [],
    words: [
      `The gradient of ${named(name, index)} is ${formatNumber(g)}, and the learning rate at this step is ${formatNumber(rate)}.`,
      RULES[optimizer.operation] ?? "The optimizer computes the step from the gradient.",
    ],
    question: "By how much does the weight change?",
    reveal: [
      `From ${distinct(before, after)} to ${distinct(after, before)}: by ${formatNumber(change)}. ` +
        remark(look, { name, index, g, change, rate }),
      "This step uses one image; in training, the gradient is the mean over a batch.",
    ],
  };
}

/** Builds the stop on the same image after the step. @param {Look} look @returns {Stop | null} */
export function again(look) {
  const { trace, description } = look;
  if (!look.has("loss.y")) return null;
  const moved = Object.keys(description.shapes).filter((name) => look.has(`${name}.update`) && look.has(gradientName(name)));
  if (!moved.length) return null;
  const before = look.array("loss.y").data[0];
  const after = lossAfter(trace);
  const predicted = moved.reduce((total, name) => {
    const [w, next, g] = [name, `${name}.update`, gradientName(name)].map((each) => look.array(each).data);
    return Array.from(w).reduce((sum, value, k) => sum + g[k] * (next[k] - value), total);
  }, 0);
  const answers = choices("again", roughNumber(after), [before, 2 * before - after, before + (after - before) / 10].map(roughNumber));
  if (!answers) return null;
  const parameters = moved.reduce((sum, name) => sum + look.array(name).data.length, 0);
  const less = after < before ? "less" : "more";
  return {
    id: "again",
    title: "The same image again",
    phase: "forward",
    cell: "loss.y",
    number: null,
    choices: answers,
    figures: [],
    words: [
      `The loss of this image was ${formatNumber(before)}. Now the step is taken, for all ${counted(parameters, "parameter")} at ` +
        "once, and the same image goes through the network again.",
      `To first order, the loss changes by the sum of gradient times change over all parameters: ${formatNumber(predicted)}.`,
    ],
    question: "What is its loss after the step?",
    reveal: [
      `${formatNumber(after)}: ${formatNumber(Math.abs(after - before))} ${less} than before, where the gradients predicted ` +
        `${formatNumber(Math.abs(predicted))} ${predicted < 0 ? "less" : "more"}. The difference is the curvature of the loss, which gradients do not know.`,
      after < before
        ? "This is one step on one image. Training repeats it thousands of times, for a batch of images each time."
        : "The loss has grown: the optimizer remembers earlier images, or the step was longer than the slope is straight.",
    ],
  };
}

/** @type {Record<string, string>} */
const RULES = {
  sgd_update: "Plain gradient descent subtracts the learning rate times the gradient.",
  momentum_update:
    "Momentum adds the gradient to a fraction of the velocity from earlier steps, and subtracts the learning rate " +
    "times the new velocity.",
  adam_update:
    "Adam subtracts the learning rate times m̂/(√v̂ + ε): a running mean of the gradients relative to their usual " +
    "magnitude. The size of the gradients does not matter, only how consistent they are; a step is therefore seldom " +
    "much larger than the learning rate.",
};

/** @param {string} name */
const called = (name) =>
  ({ sgd: "gradient descent", adam: "Adam", adamw: "AdamW", momentum: "momentum", nesterov: "Nesterov" })[name] ?? name;

/** @param {Look} look @param {{name: string, index: number[], g: number, change: number, rate: number}} about */
function remark(look, { name, index, g, change, rate }) {
  const agrees = Math.sign(change) === -Math.sign(g);
  const { operation } = look.description.optimizer;
  if (operation === "sgd_update") return "This is minus the learning rate times the gradient.";
  if (operation === "momentum_update") {
    return agrees ? "The step goes against the gradient, by the learning rate times the velocity." : AGAINST;
  }
  const m = look.has(`${name}.m`) ? ` The first moment was ${formatNumber(look.value(`${name}.m`, index))}.` : "";
  const far = roughNumber(Math.abs(change) / rate);
  return `${agrees ? `The step goes against the gradient, by ${far} times the learning rate.` : AGAINST}${m}`;
}

const AGAINST =
  "The step does not go against the gradient of this image: earlier batches outweigh this single image.";
