/** From the dense layer to the first gradient. */
import { rough } from "../../../brief.js";
import { named } from "../../../explain/naming.js";
import { shown } from "../../../explain/numbers.js";
import { sampleNumber } from "../../../source/samples.js";
import { signed } from "../../../style/scale.js";
import { many, percent } from "../look.js";
import { choices } from "../stop.js";

/**
 * @typedef {import("../look.js").Look} Look
 * @typedef {import("../stop.js").Stop} Stop
 */

const LISTED = 12;

/** Which inputs speak loudest. @param {Look} look @returns {Stop | null} */
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
    title: "A dense layer: who speaks loudest",
    phase: "forward",
    cell,
    number: null,
    choices: found,
    figures: [
      row(
        "its twelve largest products",
        cell,
        loudest.map((term) => term.value),
      ),
    ],
    words: [
      `Every output of ${site.layer} has a weight for every one of its ${many(products.length, "input")}, wherever ` +
        "in the picture that lay, and adds up all products. There is no sliding any more, and no neighbourhood.",
      `Take ${cell}, its largest output. Line its products up from the largest to the smallest, signs left aside.`,
    ],
    question: `How many of the ${many(products.length, "product")} does it take for half of the sum of their sizes?`,
    reveal: [
      `${needed}. ${many(silent, "product")} ${silent === 1 ? "is" : "are"} 0. The loudest is ${one.cell} · ` +
        `${other.cell} = ${shown(one.value)} · ${shown(other.value)} = ${shown(loudest[0].value)}, ` +
        `of a sum of ${shown(value)}.`,
    ],
  };
}

/** The winner's share. @param {Look} look @returns {Stop | null} */
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
    title: "Softmax: scores become shares",
    phase: "forward",
    cell: named(y, best),
    number: null,
    choices: found,
    words: [
      "The last dense layer gives each class a score, any number. Softmax takes e to the power of each and divides " +
        "by the sum of all powers: the results are positive, and add up to 1.",
      "So what counts is the distance between scores: a class that leads another by 1 gets e ≈ 2.72 times its share, " +
        "one that leads by 5 about 148 times.",
    ],
    figures: [look.row(`${z}, the scores`, z)],
    question: `Which share does the class with the largest score, ${className(look, best[0])}, get?`,
    reveal: [
      `${percent(share)}, exactly ${shown(share)}. Its score leads the next by ` +
        `${shown(lead)}, so its share is ${shown(Math.exp(lead))} times as large.`,
    ],
  };
}

/** The loss of this picture. @param {Look} look @returns {Stop | null} */
export function loss(look) {
  const scores = logits(look);
  if (!scores || !look.has("loss.y") || !scores.crossEntropy) return null;
  const label = look.largest("t");
  const p = look.value(scores.y, label);
  const value = look.array("loss.y").data[0];
  const found = choices("loss", rough(value), [1 - p, -Math.log(1 - p), 1 / p, p].filter(Number.isFinite).map(rough));
  if (!found) return null;
  return {
    id: "loss",
    title: "The loss: one number for how wrong",
    phase: "forward",
    cell: "loss.y",
    number: null,
    choices: found,
    words: [
      `${labelled(look, label[0])} The network gave it the share p = ${shown(p)}.`,
      "The loss is −ln p of that class, and of no other: 0 if it had been certain of it, larger and larger the less " +
        `it believed in it. A network that guesses among ${look.array("t").data.length} classes has a loss of ` +
        `${rough(Math.log(look.array("t").data.length))}.`,
    ],
    figures: [look.row(`${scores.y}, the shares`, scores.y)],
    question: "What is the loss of this picture?",
    reveal: [`−ln ${shown(p)} = ${shown(value)}. This is the one number that training wants to be smaller.`],
  };
}

/** The first gradient. @param {Look} look @returns {Stop | null} */
export function first(look) {
  const scores = logits(look);
  const dz = scores && scores.z.replace(/y$/, "dy");
  if (!scores || !dz || !scores.fused || !look.has(dz)) return null;
  const label = look.largest("t");
  const own = className(look, label[0]);
  const cell = named(dz, label);
  const value = look.value(dz, label);
  const p = look.value(scores.y, label);
  const found = choices("first", rough(value), [p, -value, 2 * p - 1].map(rough));
  if (!found) return null;
  const most = look.largest(dz);
  const small =
    Math.abs(value) < 0.05
      ? [
          "The network is nearly right already, so all gradients of this picture are small: from one that " +
            "it gets wrong it would learn more.",
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
      "Backward begins with one question: if a score grew by a little, how would the loss change? The derivatives of " +
        "softmax and of the logarithm look complicated, but together they collapse to share minus target, ŷ − t.",
      `t is 1 for ${own} and 0 for the others. The share of ${own} is ${shown(p)}.`,
    ],
    figures: [look.row(`${scores.y}, the shares ŷ`, scores.y), "−", look.row("t, the target", "t")],
    question: `What is the gradient of the score of ${className(look, label[0])}, ${cell}?`,
    reveal: [
      `${shown(p)} − 1 = ${shown(value)}: negative, so a larger score of this class would make the loss smaller. For ` +
        `the other classes it is their share, positive; the largest is ${named(dz, most)} = ` +
        `${shown(look.value(dz, most))}. Together they add up to 0.`,
      ...small,
    ],
  };
}

/** A row of numbers to look at. @param {string} title @param {string} cell @param {number[]} values */
function row(title, cell, values) {
  const scale = signed(values);
  const name = (/** @type {number} */ _, /** @type {number} */ j) => `product ${j + 1} of ${cell}`;
  return { title, rows: 1, columns: values.length, values, scale, name };
}

/** How many of the largest it takes to reach a sum. @param {number[]} sizes  the largest first @param {number} sum */
function enough(sizes, sum) {
  let [count, have] = [0, 0];
  while (count < sizes.length && have < sum) have += sizes[count++];
  return count;
}

/** Scores and shares: where the network ends in softmax. @param {Look} look */
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

/** Whose label it is. @param {Look} look @param {number} k */
function labelled(look, k) {
  const drawn = sampleNumber(look.trace.picture.from) === null;
  if (drawn)
    return `Nobody said what this picture shows: the network's own answer, ${className(look, k)}, is taken for right.`;
  return `The right answer for this picture is ${className(look, k)}.`;
}
