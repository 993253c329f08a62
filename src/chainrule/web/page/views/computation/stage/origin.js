import { bracketed } from "../../../explain/numbers.js";
import { ravel } from "../../../engine/tensor.js";
import { byteGain } from "../../../engine/trace.js";
import { layered, parted, valueOf } from "../../../explain/naming.js";
import { createElement } from "../../../elements.js";
import { counted } from "../../../numbers_brief.js";
import { numberLink } from "../links.js";
import { relatives } from "../relatives.js";
import { stepStage } from "./steps.js";
import { still } from "./stage.js";

/**
 * Values that no operation computes: a pixel and its normalization; a parameter and its update in this step.
 *
 * @typedef {import("./stage.js").Making} Making
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {Making} making @returns {Stage | null} */
export function originStage(making) {
  const { tensor } = parted(making.explanation.cell);
  if (tensor === "x") return pixelStage(making);
  return layered(tensor).layer ? parameterStage(making) : null;
}

/** @param {Making} making @returns {Stage} */
function pixelStage(making) {
  const { trace, explanation } = making;
  const { normalization } = trace.description;
  const byte = trace.picture.x[ravel(explanation.index, trace.description.input_shape)] ?? 0;
  const steps = [
    { name: "pixel", symbols: "byte", numbers: `${byte}`, value: byte, shown: `${byte}` },
    {
      name: "x",
      symbols: "byte · gain + offset",
      numbers: `${byte} · ${bracketed(byteGain(normalization))} + ${bracketed(normalization.offset)}`,
      value: explanation.value,
      shown: explanation.shown,
    },
  ];
  return stepStage({ ...making, explanation: { ...explanation, steps } });
}

/** @param {number} step */
const after = (step) => (step ? `After ${counted(step, "training step")}` : "Before training");

/** @param {Making} making @returns {Stage | null} */
function parameterStage(making) {
  const { trace, explanation } = making;
  const like = relatives(trace, explanation.cell);
  if (like.length < 2) return null;
  const numbers = like.map(({ cell, words }) =>
    createElement(
      "span",
      { class: `computation-large-number${cell === explanation.cell ? " computation-so-far" : ""}` },
      createElement("span", { class: "computation-digits" }, numberLink(making, cell, valueOf(trace, cell) ?? NaN)),
      createElement("span", { class: "computation-under" }, words),
    ),
  );
  const caption = createElement(
    "p",
    { class: "computation-pick-words" },
    (trace.description.from_file ? "" : `${after(trace.frame.step)}. `) +
      (trace.batch ? "The next step of training changes it as follows:" : "A step on this image alone would change it as follows:"),
  );
  return still(createElement(
    "div",
    { class: "computation-origin computation-steps-like" },
    caption,
    createElement("div", { class: "computation-term-line" }, ...numbers),
  ));
}
