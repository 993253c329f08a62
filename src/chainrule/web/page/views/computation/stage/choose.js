import { createElement } from "../../../elements.js";
import { changeStage, storedStage } from "./change.js";
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
import { pathStage } from "./paths.js";

/**
 * Choice of the stages for a value, based on its explanation.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {PanelContext} context @returns {Stage} */
export function stageOf(context) {
  return together([...parts(context), nudgeStage(context)].filter((stage) => stage !== null));
}

/** @param {PanelContext} context @returns {(Stage | null)[]} */
function parts(context) {
  const { explanation } = context;
  const steps = explanation.steps?.length ? stepStage(context) : null;
  if (explanation.jacobian) return [jacobianStage(context)];
  if (explanation.pick) return [pickStage(context)];
  if (explanation.curve) return [curveStage(context), steps ?? termStage(context), pathStage(context)];
  if (explanation.terms.length) return [...sumParts(context), steps, pathStage(context)];
  if (explanation.operation === "max_pool_dx") return [routedStage(context)];
  if (explanation.operation?.endsWith("_update")) return [changeStage(context), steps, storedStage(context)];
  return [placeStage(context), steps ?? originStage(context)];
}

/** @param {PanelContext} context */
function sumParts(context) {
  const { operation } = context.explanation;
  const routed = operation === "max_pool_dx" ? routedStage(context) : null;
  const many = context.explanation.terms.length > 2;
  return [routed, many ? productStage(context) : null, sumStage(context)];
}

/** @param {PanelContext} context */
function termStage(context) {
  return context.explanation.terms.length ? sumStage(context) : null;
}

/** Combines several stages that are stepped through together. @param {Stage[]} stages @returns {Stage} */
function together(stages) {
  return {
    element: createElement("div.computation-stage", ...stages.map((stage) => stage.element)),
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
