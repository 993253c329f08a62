/** How one weight changes, and why. */
import { rough } from "../../../brief.js";
import { named } from "../../../explain/naming.js";
import { shown } from "../../../explain/numbers.js";
import { many } from "../look.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

/**
 * The weight that the two stops are about: of the second convolution, the one with the largest gradient.
 * @param {Look} look
 */
function weight(look) {
  const count = look.operations("cross_correlate").length;
  const site = count ? look.planar("cross_correlate", Math.min(1, count - 1)) : look.site("dense");
  if (!site || !look.has(`${site.layer}.dw`)) return null;
  const index = look.largest(`${site.layer}.dw`, Math.abs);
  const gradient = look.value(`${site.layer}.dw`, index);
  return gradient === 0 ? null : { site, index, gradient, convolution: count > 0 };
}

/** Every place that used it adds a product. @param {Look} look @returns {Stop | null} */
export function gradient(look) {
  const found = weight(look);
  if (!found || !found.convolution) return null;
  const { site, index } = found;
  const cell = named(`${site.layer}.dw`, index);
  const w = named(`${site.layer}.w`, index);
  const { terms, value } = look.explain(cell);
  const [up, down] = [terms.filter((term) => term.value > 0), terms.filter((term) => term.value < 0)];
  const total = (/** @type {typeof terms} */ some) => shown(some.reduce((sum, term) => sum + term.value, 0));
  const loudest = terms.reduce((best, term) => (Math.abs(term.value) > Math.abs(best.value) ? term : best));
  const answers = choices("gradient", value < 0 ? GROW : SHRINK, [GROW, SHRINK, STAY]);
  const so = value < 0 ? "smaller, so it should grow" : "larger, so it should shrink";
  if (!answers) return null;
  const [o, c] = index;
  const shape = look.array(`${site.layer}.w`).shape;
  return {
    id: "gradient",
    title: "One weight: all its uses",
    phase: "backward",
    cell,
    number: null,
    choices: answers,
    words: [
      `${w} is one weight of a sliding kernel, so it was used at ${many(terms.length, "place")} of map ${c}. Each ` +
        "use counts: how the loss changes with the output there (dy), times the number that the weight met (x). Its " +
        `gradient is the sum of these ${many(terms.length, "product")}.`,
      `${up.length} of them are positive and add up to ${total(up)}, ${down.length} negative, ` +
        `together ${total(down)}; the others are 0, because dy or x is.`,
    ],
    figures: [
      look.figure(`${site.layer}.dy, map ${o}`, `${site.layer}.dy`, [o]),
      "·",
      met(look, site, index),
      "→",
      {
        ...look.figure(`${site.layer}.dw, kernel ${o}, map ${c}`, `${site.layer}.dw`, [o, c]),
        marks: new Map([[index[2] * shape[3] + index[3], "chosen"]]),
      },
    ],
    question: `To make the loss of this picture smaller, should ${w} grow or shrink?`,
    reveal: [
      `${cell} = ${shown(value)}: growing makes the loss ${so}. ` + "A step goes against the gradient.",
      `The loudest use was ${loudest.factors[0].cell} · ${loudest.factors[1].cell} = ${shown(loudest.value)}. ` +
        "Follow it: that dy came from the layer after, that x from the layer before. This is how one finds out why " +
        "the weight changed.",
    ],
  };
}

/**
 * The part of the input that a weight meets while the kernel slides; the whole map where it slides in strides.
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
  return look.figure(`${x}, map ${c}: the part that this weight met`, x, [c], [u, v], [rows, columns]);
}

const GROW = "It should grow";
const SHRINK = "It should shrink";
const STAY = "It makes no difference";

/** Direction and size of the step. @param {Look} look @returns {Stop | null} */
export function step(look) {
  const found = weight(look);
  if (!found) return null;
  const { site, index, gradient: g } = found;
  const name = `${site.layer}.w`;
  if (!look.has(`${name}.update`)) return null;
  const cell = named(`${name}.update`, index);
  const [before, after] = [look.value(name, index), look.value(`${name}.update`, index)];
  const { rate } = look.trace.frame;
  const change = after - before;
  const moved = rough(change);
  const answers = choices("step", moved, [-rate * g, -change, rate * g, -g, -rate * Math.sign(g)].map(rough));
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
      `The gradient of ${named(name, index)} is ${shown(g)}, and the rate of this step is ${shown(rate)}.`,
      RULES[optimizer.operation] ?? "The optimizer makes a step of it.",
    ],
    question: "By how much does the weight change?",
    reveal: [
      `From ${shown(before)} to ${shown(after)}: by ${shown(change)}. ` +
        remark(look, { name, index, g, change, rate }),
      "One picture alone was looked at here; in training a batch is, and the gradient is the mean of theirs.",
    ],
  };
}

/** @type {Record<string, string>} */
const RULES = {
  sgd_update: "Plain gradient descent subtracts the rate times the gradient.",
  momentum_update:
    "Momentum adds the gradient to a share of the velocity that earlier gradients left, and subtracts the rate " +
    "times that.",
  adam_update:
    "Adam subtracts the rate times m̂/(√v̂ + ε): a running mean of the gradients, in units of their usual size. " +
    "How large the gradients are does not matter, only how much they agree; so a step is seldom much longer than " +
    "the rate.",
};

/** @param {string} name */
const called = (name) =>
  ({ sgd: "gradient descent", adam: "Adam", adamw: "AdamW", momentum: "momentum", nesterov: "Nesterov" })[name] ?? name;

/** @param {Look} look @param {{name: string, index: number[], g: number, change: number, rate: number}} about */
function remark(look, { name, index, g, change, rate }) {
  const agrees = Math.sign(change) === -Math.sign(g);
  const { operation } = look.description.optimizer;
  if (operation === "sgd_update") return "That is the rate times the gradient, downhill.";
  if (operation === "momentum_update") {
    return agrees ? "It goes against the gradient, as far as the velocity carries it." : AGAINST;
  }
  const m = look.has(`${name}.m`) ? ` The mean it remembered was ${shown(look.value(`${name}.m`, index))}.` : "";
  const far = rough(Math.abs(change) / rate);
  return `${agrees ? `It goes against the gradient, by ${far} times the rate.` : AGAINST}${m}`;
}

const AGAINST =
  "It does not go against the gradient of this picture: what earlier batches said weighs more than this one picture.";
