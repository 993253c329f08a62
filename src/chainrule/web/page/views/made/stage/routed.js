import { explain } from "../../../explain/index.js";
import { goesTo } from "../../../explain/reach.js";
import { address, cellName, unravelled } from "../address.js";
import { make } from "../../../elements.js";
import { numberLink } from "../links.js";
import { windowOf } from "./pick.js";

/**
 * The gradient of max pooling's input: the windows in which the cell competed, and which of them it won.
 *
 * @typedef {import("./stage.js").Making} Making
 * @typedef {import("./stage.js").Stage} Stage
 */

const MOST_WINDOWS = 9;

/** @param {Making} making @returns {Stage} */
export function routedStage(making) {
  const { tensor, index } = address(making.explanation.cell);
  const input = cellName(tensor.replace(/(^|\.)d(?=[xy]$)/u, "$1"), index);
  const figures = outputs(making, input).map((output) => windowFigure(making, output, input));
  const none = make("p", { class: "made-pick-words" }, "No window lies on this cell.");
  return {
    element: make(
      "div",
      { class: "made-products" },
      make("div", { class: "made-factors" }, ...(figures.length ? figures : [none])),
    ),
    count: 0,
    show() {},
    say: () => "",
  };
}

/** @param {Making} making @param {string} input */
function outputs({ trace }, input) {
  /** @type {string[]} */
  const cells = [];
  for (const { tensor, from, to } of goesTo(trace, input, "forward")) {
    if (!tensor.endsWith(".y")) continue;
    const sizes = to.map((end, axis) => end - from[axis]);
    const many = sizes.reduce((product, size) => product * size, 1);
    for (let at = 0; at < Math.min(many, MOST_WINDOWS); at += 1) {
      cells.push(
        cellName(
          tensor,
          unravelled(sizes, at).map((step, axis) => step + from[axis]),
        ),
      );
    }
  }
  return cells;
}

/** @param {Making} making @param {string} output @param {string} input */
function windowFigure(making, output, input) {
  const made = explain(making.trace, output);
  const { candidates, winner } = made.pick ?? { candidates: [], winner: -1 };
  const window = windowOf(making, candidates, `the window of ${output}`);
  window.show(
    candidates.length,
    candidates.findIndex(({ cell }) => cell === input),
    winner,
  );
  const best = candidates[winner];
  const words =
    best?.cell === input
      ? ["The largest of its window: it made ", numberLink(making, output, made.value), "."]
      : ["Not the largest of its window: ", ...(best ? [numberLink(making, best.cell, best.value)] : []), " is."];
  return make(
    "figure",
    { class: "made-factor" },
    make("figcaption", {}, output),
    window.grid.element,
    make("p", { class: "made-pick-words" }, ...words),
  );
}
