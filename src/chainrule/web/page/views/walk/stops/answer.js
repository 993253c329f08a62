/** Stops from the dense layer to the first gradient. */
import { counted, roughNumber } from "../../../numbers_brief.js";
import { named } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { sampleNumber } from "../../../source/samples.js";
import { signed } from "../../../style/scale.js";
import { percent } from "../look.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

const LISTED = 12;

/** Builds the stop on the largest products of a dense output. @param {Look} look @returns {Stop | null} */
export function dense(look) {
  const site = look.site("dense");
  if (!site) return null;
  const cell = named(site.y, look.largest(site.y));
  const { terms, value } = look.explain(cell);
  const products = terms.filter((term) => term.factors.length === 2);
  const sizes = products.map((term) => Math.abs(term.value)).sort((one, other) => other - one);
  const half = sizes.reduce((sum, size) => sum + size, 0) / 2;
  const needed = enough(sizes, half);
  const silent = sizes.filter((size) => size === 0).length;
  const found = choices(
    "dense",
    String(needed),
    [Math.round(products.length / 2), Math.round(products.length / 4), 1, products.length].map(String),
  );
  if (!found || half === 0) return null;
  const bySize = [...products].sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  const loudest = bySize.slice(0, LISTED);
  const [one, other] = loudest[0].factors;
  return {
    id: "dense",
    title: "A dense layer: which inputs count most",
    phase: "forward",
    cell,
    number: null,
    choices: found,
    figures: [
      row(
        "its largest products",
        cell,
        loudest.map((term) => term.value),
      ),
    ],
    words: [
      `Every output of ${site.layer} has one weight for each of its ${counted(products.length, "input")}, whatever ` +
        "its position in the image, and sums all products. The kernel no longer slides, and neighbours play no role.",
      `Take ${cell}, its largest output, and sort its products by magnitude, ignoring the signs.`,
    ],
    question: `How many of the ${counted(products.length, "product")} make up half of the sum of their magnitudes?`,
    reveal: [
      `${needed}. ${counted(silent, "product")} ${silent === 1 ? "is" : "are"} 0. The largest is ${one.cell} · ` +
        `${other.cell} = ${formatNumber(one.value)} · ${formatNumber(other.value)} = ${formatNumber(loudest[0].value)}, ` +
        `in a sum of ${formatNumber(value)}.`,
    ],
  };
}

/** Builds the stop on the probability of the predicted class. @param {Look} look @returns {Stop | null} */
export function softmax(look) {
  const scores = logits(look);
  if (!scores) return null;
  const { z, y } = scores;
  const best = look.largest(y);
  const share = look.value(y, best);
  const { data } = look.array(z);
  const positive = Array.from(data).reduce((sum, value) => sum + Math.max(value, 0), 0);
  const naive = positive ? Math.max(look.value(z, best), 0) / positive : 0.5;
  const found = choices("softmax", percent(share), [
    percent(naive),
    percent(1 / data.length),
    percent((1 + share) / 3),
  ]);
  if (!found) return null;
  const lead = look.value(z, best) - Array.from(data).sort((one, other) => other - one)[1];
  return {
    id: "softmax",
    title: "Softmax: scores become probabilities",
    phase: "forward",
    cell: named(y, best),
    number: null,
    choices: found,
    words: [
      "The last dense layer gives each class a score (a logit), which may be any number. Softmax takes e to the power " +
        "of each score and divides by the sum of all powers: the results are positive and sum to 1.",
      "Only the differences between scores matter: a class that leads another by 1 gets e ≈ 2.72 times its " +
        "probability, and one that leads by 5 about 148 times.",
    ],
    figures: [look.row(`${z}, the scores`, z)],
    question: `What probability does the class with the largest score, ${className(look, best[0])}, get?`,
    reveal: [
      `${percent(share)}, or more precisely ${formatNumber(share)}. Its score leads the next one by ` +
        `${formatNumber(lead)}, so its probability is ${formatNumber(Math.exp(lead))} times as large.`,
    ],
  };
}

/** Builds the stop on the loss of the image. @param {Look} look @returns {Stop | null} */
export function loss(look) {
  const scores = logits(look);
  if (!scores || !look.has("loss.y") || !scores.crossEntropy) return null;
  const label = look.largest("t");
  const p = look.value(scores.y, label);
  const value = look.array("loss.y").data[0];
  const found = choices("loss", roughNumber(value), [1 - p, -Math.log(1 - p), 1 / p, p].filter(Number.isFinite).map(roughNumber));
  if (!found) return null;
  return {
    id: "loss",
    title: "The loss: how wrong, in one number",
    phase: "forward",
    cell: "loss.y",
    number: null,
    choices: found,
    words: [
      `${labelled(look, label[0])} The network gave this class the probability p = ${formatNumber(p)}.`,
      "The loss is −ln p of that class alone: 0 if the network had been certain of it, and larger the less " +
        `probable it was. A network that guesses among ${look.array("t").data.length} classes has a loss of ` +
        `${roughNumber(Math.log(look.array("t").data.length))}.`,
    ],
    figures: [look.row(`${scores.y}, the probabilities`, scores.y)],
    question: "What is the loss of this image?",
    reveal: [`−ln ${formatNumber(p)} = ${formatNumber(value)}. This is the number that training makes smaller.`],
  };
}

/** Builds the stop on the gradient of the scores. @param {Look} look @returns {Stop | null} */
export function first(look) {
  const scores = logits(look);
  const dz = scores && scores.z.replace(/y$/, "dy");
  if (!scores || !dz || !scores.fused || !look.has(dz)) return null;
  const label = look.largest("t");
  const own = className(look, label[0]);
  const cell = named(dz, label);
  const value = look.value(dz, label);
  const p = look.value(scores.y, label);
  const found = choices("first", roughNumber(value), [p, -value, 2 * p - 1].map(roughNumber));
  if (!found) return null;
  const most = look.largest(dz);
  const small =
    Math.abs(value) < 0.05
      ? [
          "The network is nearly right already, so all gradients of this image are small. It would learn more from " +
            "an image that it gets wrong.",
        ]
      : [];
  return {
    id: "first",
    title: "The first gradient: ŷ − t",
    phase: "backward",
    cell,
    number: null,
    choices: found,
    words: [
      "The backward pass begins with one question: if a score increased slightly, how would the loss change? The " +
        "derivatives of softmax and of the logarithm look complicated, but together they simplify to ŷ − t, " +
      "the probability minus the target.",
      `t is 1 for ${own} and 0 for the others. The probability of ${own} is ${formatNumber(p)}.`,
    ],
    figures: [look.row(`${scores.y}, the probabilities ŷ`, scores.y), "−", look.row("t, the target", "t")],
    question: `What is the gradient of the loss with respect to the score of ${className(look, label[0])}, ${cell}?`,
    reveal: [
      `${formatNumber(p)} − 1 = ${formatNumber(value)}: negative, so a larger score of this class would reduce the loss. For ` +
        `the other classes it is their probability, which is positive; the largest is ${named(dz, most)} = ` +
        `${formatNumber(look.value(dz, most))}. All of them sum to 0.`,
      ...small,
    ],
  };
}

/** Returns a figure of a row of values. @param {string} title @param {string} cell @param {number[]} values */
function row(title, cell, values) {
  const scale = signed(values);
  const name = (/** @type {number} */ _, /** @type {number} */ j) => `product ${j + 1} of ${cell}`;
  return { title, rows: 1, columns: values.length, values, scale, name };
}

/**
 * Returns how many of the largest values are needed to reach a sum.
 * @param {number[]} sizes  the largest first @param {number} sum
 */
function enough(sizes, sum) {
  let [count, have] = [0, 0];
  while (count < sizes.length && have < sum) have += sizes[count++];
  return count;
}

/** Returns the tensors of scores and probabilities; null unless the network ends in softmax. @param {Look} look */
function logits(look) {
  const last = look.description.layers[look.description.layers.length - 1];
  if (last.type !== "Softmax" || !look.has(`${last.name}.y`)) return null;
  const fused = look.site("softmax_cross_entropy");
  const apart = look.site("softmax");
  const z = (fused ?? apart)?.x;
  if (!z) return null;
  const crossEntropy = fused !== null || look.operations("categorical_cross_entropy").length > 0;
  return { z, y: `${last.name}.y`, fused: fused !== null, crossEntropy };
}

/** @param {Look} look @param {number} k */
const className = (look, k) => `“${look.description.classes[k] ?? k}”`;

/** Names the label of the image. @param {Look} look @param {number} k */
function labelled(look, k) {
  const drawn = sampleNumber(look.trace.picture.from) === null;
  if (drawn)
    return `This image has no label, so the network’s prediction, ${className(look, k)}, is taken as correct.`;
  return `The correct class of this image is ${className(look, k)}.`;
}
