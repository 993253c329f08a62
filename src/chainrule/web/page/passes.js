/** The two forward passes of a network whose layers differ in training and in use: which of them a number belongs to. */

import { isCoupled } from "./engine/interpreter.js";

/**
 * Says how the pass in training and that in use are computed. Both are "" if no layer differs.
 * @param {import("./types.js").Description} description @returns {{training: string, use: string}}
 */
export function passWords(description) {
  const drops = description.plan.forward.some(({ name }) => name === "dropout");
  const isNormalized = isCoupled(description);
  if (!drops && !isNormalized) return { training: "", use: "" };
  const training = [isNormalized && "the statistics of this image alone", drops && "dropout"];
  const use = [isNormalized && "the running statistics", drops && "no dropout"];
  const [inTraining, inUse] = [training, use].map((parts) => parts.filter(Boolean).join(" and "));
  return { training: `As in training, with ${inTraining}.`, use: `As in use, with ${inUse}.` };
}
