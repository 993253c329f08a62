/** One stop of the walk: its title, a few sentences, and the calculation of its cell. */

import { button, createElement } from "../../elements.js";
import { primal } from "../../engine/interpreter.js";
import { holdable, sideOf } from "../../explain/held_layer.js";
import { explain } from "../../explain/index.js";
import { named, parted } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";
import { calculation } from "../../figures/calculation.js";
import { cellButton } from "../../figures/cell_button.js";
import { errorTable } from "./error_table.js";
import { errorOf } from "./output_error.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("./stops.js").Stop} Stop */

/** @param {App} app @param {Trace} trace @param {Stop} stop @param {number} number @param {number} count @returns {HTMLElement[]} */
export function stopElement(app, trace, stop, number, count) {
  const about = `Stop ${number} of ${count} · ${stop.phase}`;
  const words = stop.words.map((text) => createElement("p", text));
  const parts = [createElement("p.story-meta", about), createElement("h2", { tabindex: -1 }, stop.title), ...words];
  const passed = stop.passed?.flatMap(({ title, cell }) => (cell ? [createElement("li", cellButton(app, cell, title), " ", ...holdButton(app, trace, cell))] : [])) ?? [];
  const further = passed.length ? [createElement("p.story-meta", "On the way to the next stop:"), createElement("ul.story-passed", ...passed)] : [];
  if (!stop.cell || !stop.rule) return [...parts, ...further];
  const explanation = explain(trace, stop.cell);
  const { steps = [], value, index } = explanation;
  const error = errorOf(trace, explanation);
  const shownSteps = steps.length && !error ? [calculation(steps)] : [];
  const name = stop.phase === "update" ? `${stop.cell.replace(".update", "")} after the step` : stop.cell;
  const shown = createElement("p", cellButton(app, stop.cell, `${name} = ${formatNumber(value)}`), " ", ...holdButton(app, trace, stop.cell));
  return [...parts, createElement("p", explanation.words), ...(error ? [errorTable(error, index[0])] : shownSteps), shown, ...further];
}

/** Returns a button that holds a number in the picture above, or the number whose gradient or new value a cell is. @param {App} app @param {Trace} trace @param {string} cell */
function holdButton(app, trace, cell) {
  const { tensor, index } = parted(cell);
  const value = tensor.replace(".update", "");
  const hold = [value, primal(value)].map((name) => named(name, index)).find((name) => holdable(trace).some((operation) => sideOf(operation, name)));
  const act = () => {
    app.go({ hold: hold ?? null });
    scrollTo({ top: 0 });
  };
  return hold ? [button("hold it", act, { class: "link", "aria-label": `hold it: ${hold}` })] : [];
}
