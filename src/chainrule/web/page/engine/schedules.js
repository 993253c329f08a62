/**
 * Learning-rate schedules as pure functions of the step, as in `chainrule/training/schedules.py`.
 *
 * @typedef {{step: number, steps: number, epochSteps: number}} Progress  step: 0 … steps − 1
 */

/** @type {Record<string, (numbers: Record<string, any>, progress: Progress) => number>} */
const FACTORS = {
  constant: () => 1,
  step: ({ epochs, gamma }, { step, epochSteps }) => gamma ** Math.floor(Math.floor(step / epochSteps) / epochs),
  cosine: (_, { step, steps }) => (1 + Math.cos((Math.PI * step) / steps)) / 2,
  "one-cycle": ({ warm, divisor, final }, { step, steps }) => {
    const [top, low] = [warm * steps - 1, 1 / divisor];
    if (top > 0 && step <= top) return arc(low, 1, step / top);
    return arc(1, low / final, (step - top) / Math.max(steps - 1 - top, 1e-12));
  },
  "warm-up": ({ share }, { step, steps }) => Math.min(1, (step + 1) / Math.max(share * steps, 1)),
  triangular: ({ start, peak, end }, { step, steps }) => {
    const top = peak * steps;
    return step < top ? start + ((1 - start) * step) / top : 1 + ((end - 1) * (step - top)) / (steps - top);
  },
  restarted: ({ before, step: again, epochs }, { step, steps, epochSteps }) => {
    if (step < again) return factor(before, { step, steps: epochs * epochSteps, epochSteps });
    let first = before;
    while (first.name === "restarted") first = first.before;
    return factor(first, { step: step - again, steps: steps - again, epochSteps });
  },
};

/**
 * Returns the factor for the optimizer's learning rate at a step.
 *
 * @param {Record<string, any>} schedule  name and parameters, as in a recipe @param {Progress} progress
 */
export function factor(schedule, progress) {
  const rule = FACTORS[schedule.name];
  if (!rule) throw new Error(`unknown schedule '${schedule.name}'; known: ${Object.keys(FACTORS).join(", ")}`);
  return rule(schedule, progress);
}

/**
 * Interpolates along half a cosine period from `start` (part 0) to `end` (part 1).
 *
 * @param {number} start @param {number} end @param {number} part
 */
function arc(start, end, part) {
  return end + ((start - end) / 2) * (1 + Math.cos(Math.PI * Math.min(part, 1)));
}
