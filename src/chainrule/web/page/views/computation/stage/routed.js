import { indicesOf } from "../../../explain/boxes.js";
import { explain } from "../../../explain/index.js";
import { readersOf } from "../../../explain/dependencies.js";
import { gradientName } from "../../../engine/interpreter.js";
import { named, parted, valueOf } from "../../../explain/naming.js";
import { createElement } from "../../../elements.js";
import { numberLink } from "../links.js";
import { windowOf } from "./pick.js";
import { staticStage } from "./stage.js";

/**
 * The gradient of max pooling's input: the windows that contain the cell, and whether the cell is the maximum of each.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const MAX_WINDOWS = 9;

/** @param {PanelContext} context @returns {Stage} */
export function routedStage(context) {
  const { tensor, index } = parted(context.explanation.cell);
  const input = named(tensor.replace(/(^|\.)d(?=[xy]$)/u, "$1"), index);
  const figures = outputs(context, input).map((output) => windowFigure(context, output, input));
  const none = createElement("p.computation-pick-words", "No window covers this cell.");
  return staticStage(createElement(
    "div.computation-products",
    createElement("div.computation-factors", ...(figures.length ? figures : [none])),
  ));
}

/** @param {PanelContext} context @param {string} input */
function outputs({ trace }, input) {
  /** @type {string[]} */
  const cells = [];
  for (const box of readersOf(trace, input, "forward")) {
    if (!box.tensor.endsWith(".y")) continue;
    cells.push(...indicesOf(box, MAX_WINDOWS).map((index) => named(box.tensor, index)));
  }
  return cells;
}

/** Returns the gradient of a cell of the window. @param {string} cell */
function gradientOf(cell) {
  const { tensor, index } = parted(cell);
  return named(gradientName(tensor), index);
}

/** @param {PanelContext} context @param {string} output @param {string} input */
function windowFigure(context, output, input) {
  const explanation = explain(context.trace, output);
  const { candidates, winner } = explanation.pick ?? { candidates: [], winner: -1 };
  const window = windowOf(context, candidates, `the window of ${output}`);
  window.show(
    candidates.length,
    candidates.findIndex(({ cell }) => cell === input),
    winner,
  );
  const best = candidates[winner];
  const upstream = output.replace(/y(?=\[)/u, "dy");
  const dy = valueOf(context.trace, upstream) ?? 0;
  const gradients = candidates.map(({ cell }, at) => ({ cell: gradientOf(cell), value: at === winner ? dy : 0 }));
  const routed = windowOf(context, gradients, `what ${upstream} adds to the gradients of the window`);
  routed.show(gradients.length, candidates.findIndex(({ cell }) => cell === input), winner);
  const words =
    best?.cell === input
      ? ["The maximum of its window receives the whole gradient, ", numberLink(context, upstream, dy), "."]
      : ["Not the maximum of its window, which is ", ...(best ? [numberLink(context, best.cell, best.value)] : []), ": the gradient here is 0."];
  return createElement(
    "figure.computation-factor",
    createElement("figcaption", `${output}: its window, and the gradients there`),
    createElement("div.computation-factors", window.grid.element, createElement("span.computation-between", "→"), routed.grid.element),
    createElement("p.computation-pick-words", ...words),
  );
}
