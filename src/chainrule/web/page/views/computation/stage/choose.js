import { parted } from "../../../explain/naming.js";
import { createElement } from "../../../elements.js";
import { barStage } from "./bars.js";
import { batchStages, storedStage } from "./batch.js";
import { changeStage } from "./change.js";
import { curveStage } from "./curve.js";
import { jacobianStage } from "./jacobian.js";
import { nudgeStage } from "./nudge.js";
import { originStage } from "./origin.js";
import { pickStage } from "./pick.js";
import { placeStage } from "./place.js";
import { productStage } from "./products.js";
import { routedStage } from "./routed.js";
import { stepStage } from "./steps.js";
import { sumStage } from "./sum.js";
import { endedStage, pathStage, whyStage } from "./why.js";

/**
 * Choice of the stages for a value, by the content of its explanation.
 *
 * @typedef {import("./stage.js").Making} Making
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {Making} making @param {(done: number) => void} chosen called with a position in the sum @returns {Stage} */
export function stageOf(making, chosen) {
  return together([...parts(making, chosen), nudgeStage(making)].filter((stage) => stage !== null));
}

/** @param {Making} making @param {(done: number) => void} chosen @returns {(Stage | null)[]} */
function parts(making, chosen) {
  const { explanation } = making;
  const steps = explanation.steps?.length ? stepStage(making) : null;
  if (explanation.jacobian) return [jacobianStage(making)];
  if (explanation.pick) return [pickStage(making)];
  if (explanation.curve) return [curveStage(making), steps ?? termStage(making, chosen), pathStage(making)];
  if (explanation.terms.length) return [...sumParts(making, chosen), steps, pathStage(making)];
  if (explanation.operation === "max_pool_dx") return [routedStage(making)];
  if (explanation.operation.endsWith("_update")) return [changeStage(making), endedStage(making), whyStage(making), ...batchStages(making), steps, storedStage(making)];
  if (explanation.tensor.endsWith(".g")) return batchStages(making);
  if (isProbability(making)) return [barStage(making), steps];
  return [placeStage(making), steps ?? originStage(making)];
}

/** @param {Making} making */
function isProbability({ explanation: { cell, tensor, operation } }) {
  const ofClasses = operation === "softmax" && parted(cell).index.length === 1;
  return ofClasses || (tensor === "loss.y" && operation.endsWith("cross_entropy"));
}

/** @param {Making} making @param {(done: number) => void} chosen */
function sumParts(making, chosen) {
  const { operation } = making.explanation;
  const routed = operation === "max_pool_dx" ? routedStage(making) : null;
  const many = making.explanation.terms.length > 2;
  return [routed, many ? productStage(making) : null, sumStage(making, chosen)];
}

/** @param {Making} making @param {(done: number) => void} chosen */
function termStage(making, chosen) {
  return making.explanation.terms.length ? sumStage(making, chosen) : null;
}

/** Combines several stages that are stepped through together. @param {Stage[]} stages @returns {Stage} */
function together(stages) {
  return {
    element: createElement("div", { class: "computation-stage" }, ...stages.map((stage) => stage.element)),
    count: Math.max(0, ...stages.map((stage) => stage.count)),
    show(done, stepping, quick) {
      for (const stage of stages) stage.show(Math.min(done, stage.count || done), stepping, quick);
    },
    say: (done) =>
      stages
        .map((stage) => (stage.count ? stage.say(Math.min(done, stage.count)) : ""))
        .filter(Boolean)
        .join("; "),
  };
}
