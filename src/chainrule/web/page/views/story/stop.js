/** One stop of the walk: its title, a few sentences, and the rule of its layer as a picture. */

import { createElement } from "../../elements.js";
import { explain } from "../../explain/index.js";
import { formatNumber } from "../../explain/numbers.js";
import { calculation } from "../../figures/calculation.js";
import { cellButton } from "./cell_button.js";
import { ruleOf } from "./rule.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("./stops.js").Stop} Stop */

/** @param {App} app @param {Trace} trace @param {Stop} stop @param {number} number @param {number} count @returns {HTMLElement[]} */
export function stopElement(app, trace, stop, number, count) {
  const about = `Stop ${number} of ${count} · ${stop.phase}`;
  const words = stop.words.map((text) => createElement("p", text));
  const parts = [createElement("p.story-meta", about), createElement("h2", { tabindex: -1 }, stop.title), ...words];
  const passed = stop.passed?.flatMap(({ title, cell }) => (cell ? [createElement("li", cellButton(app, cell, title))] : [])) ?? [];
  const further = passed.length ? [createElement("p.story-meta", "On the way to the next stop:"), createElement("ul.story-passed", ...passed)] : [];
  if (!stop.cell || !stop.rule) return [...parts, ...further];
  const explanation = explain(trace, stop.cell);
  const { steps = [], value } = explanation;
  const rules = stop.layer === "loss" ? [] : ruleOf(trace, explanation, stop.chain ?? new Map());
  const shownRules = rules.length || !steps.length ? rules : [calculation(steps)];
  const name = stop.phase === "update" ? `${stop.cell.replace(".update", "")} after the step` : stop.cell;
  const shown = cellButton(app, stop.cell, `${name} = ${formatNumber(value)}`);
  return [...parts, createElement("p", explanation.words), ...shownRules, createElement("p", shown), ...further];
}
