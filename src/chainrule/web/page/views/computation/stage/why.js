import { isCoupled } from "../../../engine/interpreter.js";
import { makeTrace } from "../../../engine/trace.js";
import { changeOf } from "../../../explain/change.js";
import { layered, parted, valueOf } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { button, createElement } from "../../../elements.js";
import { signedBar } from "../../../figures/bar.js";
import { batchPicture, labelName } from "../../../source/samples.js";
import { fold } from "../fold.js";
import { pathsOf } from "./paths.js";
import { staticStage } from "./stage.js";

/**
 * Why a weight changed: the parts of its change, and the strongest paths of the image that contributes most.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("../../../types.js").BatchStep} BatchStep
 */

const NAMES = /** @type {const} */ ([
  ["memory", "gradients of earlier steps (the optimizer’s memory)"],
  ["batch", "the gradient of this step’s batch"],
  ["decay", "weight decay"],
]);

/** Shows the parts of a change. @param {PanelContext} context @returns {Stage | null}  null if it is not a training step */
export function whyStage({ explanation: { tensor, cell }, trace }) {
  if (!tensor.endsWith(".update")) return null;
  const change = changeOf(trace, tensor.slice(0, -".update".length), parted(cell).index);
  if (!change) return null;
  const most = Math.max(...NAMES.map(([name]) => Math.abs(change[name]))) || 1;
  const rows = NAMES.filter(([name]) => change[name] !== 0).map(([name, words]) => {
    const numbers = [signed(change[name]), percent(change[name] / change.total)].map((text) => createElement("b.number", text));
    return createElement("li", createElement("span", words), signedBar(change[name], most), ...numbers);
  });
  const head = createElement("h3", `Why did it change by ${signed(change.total)}?`);
  return staticStage(createElement("section.computation-why", head, createElement("ol.computation-shares", ...rows)));
}

/** Notes that training has ended, with a button to the last training step. @param {PanelContext} context @returns {Stage | null} */
export function endedStage({ goTo, last, trace: { batch, frame } }) {
  if (batch || typeof last !== "number" || frame.step !== last + 1) return null;
  const go = button("Show the last training step", () => goTo?.(last), { class: "link" });
  const words = "Training has ended. This shows a further step, on this image alone. ";
  return staticStage(createElement("p.computation-ended", words, go));
}

/**
 * Shows the strongest paths to the gradient of one image of the batch.
 *
 * @param {PanelContext} context @param {BatchStep} batch @param {number} n  of the image @param {string} cell  the gradient
 */
export function pathsOfImage({ trace: { description, frame }, show, hover }, batch, n, cell) {
  const picture = batchPicture(batch, n);
  if (!picture) return createElement("div");
  const trace = makeTrace(description, frame, picture);
  const name = labelName(description, picture.label);
  const words =
    `Where the gradient of ${picture.from}${name && `, class ${name}`} comes from. This image contributes most. Its gradient is ` +
    formatNumber(valueOf(trace, cell) ?? 0) +
    (isCoupled(description) ? " if it is normalized alone, not with its batch" : "");
  const act = { open: (/** @type {string} */ at) => show?.(picture, at), hover };
  return createElement("section.computation-why", createElement("h3", words), pathsOf(trace, cell, act));
}

/** Creates a collapsible section with the strongest paths to a gradient. @param {PanelContext} context @returns {Stage | null} */
export function pathStage(context) {
  const { tensor, cell } = context.explanation;
  if (!/^d/u.test(layered(tensor).rest)) return null;
  const act = { open: context.follow, hover: context.hover };
  return staticStage(fold("The strongest paths to this gradient", "computation-why", () => [pathsOf(context.trace, cell, act)]));
}

/** @param {number} value */
function signed(value) {
  return `${value > 0 ? "+" : ""}${formatNumber(value)}`;
}

/** @param {number} share */
function percent(share) {
  const rounded = Math.round(100 * share);
  return rounded ? `${rounded} %`.replace("-", "−") : "≈ 0 %";
}
