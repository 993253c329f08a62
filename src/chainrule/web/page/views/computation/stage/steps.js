import { spoken } from "../../../equations/text.js";
import { calculation } from "../../../figures/calculation.js";
import { lettersOf, markLetters } from "../letters.js";

/**
 * A calculation line by line.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {PanelContext} context @returns {Stage} */
export function stepStage(context) {
  const steps = context.explanation.steps ?? [];
  const element = calculation(steps);
  markLetters(element, lettersOf(context.explanation), context.hover);
  return {
    element,
    count: steps.length,
    show(done, stepping) {
      [...element.children].forEach((row, at) => {
        row.classList.toggle("computation-waiting", at >= done);
        row.classList.toggle("computation-now", stepping && at === done - 1);
      });
    },
    say(done) {
      const step = steps[done - 1];
      if (!step) return "";
      return `line ${done} of ${steps.length}: ${spoken(step.name)} is ${spoken(step.symbols)}, ${step.shown}`;
    },
  };
}
