import { bracketed } from "../../../explain/numbers.js";
import { ravel } from "../../../engine/tensor.js";
import { factors } from "../../../engine/trace.js";
import { layered, parted, valueOf } from "../../../explain/naming.js";
import { createElement } from "../../../elements.js";
import { counted } from "../../../numbers_brief.js";
import { numberLink } from "../links.js";
import { relatives } from "../relatives.js";
import { stepStage } from "./steps.js";
import { staticStage } from "./stage.js";

/**
 * Values that are not computed by an operation: a pixel and its normalization; a parameter and its update in this step.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {PanelContext} context @returns {Stage | null} */
export function originStage(context) {
  const { tensor } = parted(context.explanation.cell);
  if (tensor === "x") return pixelStage(context);
  return layered(tensor).layer ? parameterStage(context) : null;
}

/** @param {PanelContext} context @returns {Stage} */
function pixelStage(context) {
  const { trace, explanation } = context;
  const { x } = trace.picture;
  const { origin, gain } = factors(trace.description, explanation.index[0], x);
  const value = x[ravel(explanation.index, trace.description.input_shape)] ?? 0;
  const [name, symbols, shown] = x instanceof Uint8Array ? ["pixel", "byte", `${value}`] : ["input", "value", bracketed(value)];
  const steps = [
    { name, symbols, numbers: shown, value, shown },
    {
      name: "x",
      symbols: `(${symbols} − origin) · gain`,
      numbers: `(${shown} − ${bracketed(origin)}) · ${bracketed(gain)}`,
      value: explanation.value,
      shown: explanation.shown,
    },
  ];
  return stepStage({ ...context, explanation: { ...explanation, steps } });
}

/** @param {number} step */
const after = (step) => (step ? `After ${counted(step, "training step")}` : "Before training");

/** @param {PanelContext} context @returns {Stage | null} */
function parameterStage(context) {
  const { trace, explanation } = context;
  const related = relatives(trace, explanation.cell);
  if (related.length < 2) return null;
  const numbers = related.map(({ cell, words }) =>
    createElement(
      "span",
      { class: `computation-large-number${cell === explanation.cell ? " computation-so-far" : ""}` },
      createElement("span.computation-digits", numberLink(context, cell, valueOf(trace, cell) ?? NaN)),
      createElement("span.computation-under", words),
    ),
  );
  const caption = createElement(
    "p.computation-pick-words",
    (trace.description.from_file ? "" : `${after(trace.frame.step)}. `) +
      (trace.batch ? "The next training step changes it as follows:" : "A step on this image alone would change it as follows:"),
  );
  return staticStage(createElement(
    "div.computation-origin.computation-steps-like",
    caption,
    createElement("div.computation-term-line", ...numbers),
  ));
}
