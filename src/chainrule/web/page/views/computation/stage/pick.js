import { formatNumber } from "../../../explain/numbers.js";
import { parted } from "../../../explain/naming.js";
import { scaleOfTensor } from "../../../figures/cell_colors.js";
import { createElement } from "../../../elements.js";
import { numberLink } from "../links.js";
import { NumberGrid } from "./grid.js";
import { windowAround } from "../../../figures/term_layout.js";
import { windowMap } from "./map_location.js";

/**
 * Max pooling: the window and its maximum.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./grid.js").Entry} Entry
 */

/** @param {PanelContext} context @returns {Stage} */
export function pickStage(context) {
  const { pick } = context.explanation;
  const { candidates, winner } = pick ?? { candidates: [], winner: 0 };
  const window = windowOf(context, candidates, "the window");
  const words = createElement("p.computation-pick-words");
  const forward = createElement(
    "figure.computation-factor",
    createElement("figcaption", "the window"),
    window.grid.element,
    words,
  );
  const map = windowMap(
    context,
    candidates.map((candidate) => candidate.cell),
  );
  return {
    element: createElement(
      "div.computation-products",
      createElement("div.computation-factors", ...(map ? [map] : []), forward),
    ),
    count: candidates.length,
    show(done, stepping) {
      const best = largest(candidates, done, winner);
      window.show(done, stepping ? done - 1 : -1, best);
      words.replaceChildren(...maximumText(context, candidates, best, done));
    },
    say(done) {
      const best = candidates[largest(candidates, done, winner)];
      return best
        ? `cell ${done} of ${candidates.length}: the maximum so far is ${best.cell}, ${formatNumber(best.value)}`
        : "";
    },
  };
}

/** @param {{cell: string, value: number}[]} candidates @param {number} done @param {number} winner */
function largest(candidates, done, winner) {
  if (done >= candidates.length) return winner;
  let best = -1;
  for (let at = 0; at < done; at += 1) if (best < 0 || candidates[at].value > candidates[best].value) best = at;
  return best;
}

/** @param {PanelContext} context @param {{cell: string, value: number}[]} candidates @param {number} best @param {number} done
 * @returns {Node[]} */
function maximumText(context, candidates, best, done) {
  if (best < 0) return [document.createTextNode("no cells compared yet")];
  const text = done < candidates.length ? "maximum so far " : "the maximum ";
  return [document.createTextNode(text), numberLink(context, candidates[best].cell, candidates[best].value)];
}

/**
 * Shows the cells of a window as a grid of values.
 * @param {PanelContext} context @param {{cell: string, value: number}[]} candidates @param {string} label
 */
export function windowOf(context, candidates, label) {
  const { rows, columns, places } = windowAround(candidates);
  const grid = new NumberGrid(rows, columns, label, context);
  grid.element.classList.add("computation-large");
  const scale = scaleOfTensor(context.trace, parted(candidates[0]?.cell ?? "x").tensor);
  /** @type {(Entry | null)[]} */
  const entries = new Array(grid.squares.length).fill(null);
  candidates.forEach((candidate, at) => (entries[places[at]] = { ...candidate, gap: null }));
  grid.fill(entries, scale);
  return {
    grid,
    show(/** @type {number} */ done, /** @type {number} */ now, /** @type {number} */ best) {
      grid.mark(places[now] ?? -1);
      grid.squares.forEach((square) => square.classList.remove("computation-best", "computation-waiting"));
      places.forEach((square, at) => grid.squares[square].classList.toggle("computation-waiting", at >= done));
      grid.squares[places[best]]?.classList.add("computation-best");
    },
  };
}
