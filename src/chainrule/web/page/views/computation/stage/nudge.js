import { gradientName } from "../../../engine/interpreter.js";
import { canNudge } from "../../../engine/nudge.js";
import { placeOf, valueOf } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { createElement } from "../../../elements.js";
import { lossSlider } from "../../../figures/loss_slider.js";
import { fold } from "../fold.js";
import { numberLink } from "../links.js";
import { staticStage } from "./stage.js";

/**
 * A slider that changes a number. The network is recomputed, and the loss is plotted over the number.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const WIDE = 2400; // pixels; in a window of this width, there is space next to the numbers
const EPSILON = 1e-4; // relative to the magnitude of the value, or to 1 if that is larger

/** @param {PanelContext} context @returns {Stage | null} null if the number cannot be changed */
export function nudgeStage(context) {
  const { cell, tensor } = context.explanation;
  const gradient = cell.replace(tensor, gradientName(tensor));
  const slope = valueOf(context.trace, gradient);
  if (!context.nudge || context.trace.nudge || !placeOf(context.trace, cell) || slope === null || !canNudge(context.trace, tensor)) return null;
  const title = "Nudge it: see what the gradient means";
  return staticStage(fold(title, "computation-why computation-nudge", () => content(context, gradient, slope), innerWidth >= WIDE));
}

/** @param {PanelContext} context @param {string} gradient @param {number} slope */
function content(context, gradient, slope) {
  const { cell, value } = context.explanation;
  const { elements, loss } = lossSlider(context.trace, cell, slope, (change) => context.nudge?.(change));
  const epsilon = EPSILON * Math.max(1, Math.abs(value));
  const measured = createElement(
    "p",
    `(L(w + ε) − L(w − ε)) / 2ε = `,
    createElement("b.number", formatNumber(loss.quotient(epsilon))),
    ` for ε = ${formatNumber(epsilon)}; the gradient is `,
    numberLink(context, gradient, slope),
  );
  return [...elements, measured];
}
