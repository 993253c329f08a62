/**
 * The question that the page opens on: why did this weight change? It chooses a weight whose change is mostly due to the
 * batch of one step, and largely to one image of the batch, which is shown.
 */

import { stepValues } from "./engine/trace.js";
import { byMagnitude, unravel } from "./engine/tensor.js";
import { changeOf } from "./explain/change.js";
import { named } from "./explain/naming.js";

/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Trace} Trace */

const TIMEOUT = 4000; // milliseconds to wait for an early step; after that, the first step is shown
const SEARCHED = 600; // weights with the largest gradients
const MOST = 0.5; // smallest share of the batch in the change
const [TRIED, SEARCH] = [16, 400]; // weights whose images are compared, and milliseconds for it
const VISIBLE = 0.01; // smallest share of any cause in the change, and smallest size of the weight in changes

/**
 * Returns the place of the question. Without a training step, returns an empty place.
 * @param {Source} source @param {Description} description @returns {Promise<Partial<Place>>}
 */
export async function openingQuestion(source, description) {
  await source.samples(); // once these are available, earlier steps are available, too
  const { early, newest, steps } = await source.training.state();
  if (!steps || (early === undefined && newest > 0)) return {};
  const step = early ?? Math.max(0, newest - 1);
  const frame = await frameOf(source, step);
  const batch = await source.batchStep(frame.step);
  const trace = /** @type {Trace} */ ({ description, frame, batch, values: stepValues(description, frame, batch) });
  const end = performance.now() + SEARCH;
  let best = { why: "", image: 0, share: -Infinity };
  for (const { tensor, flat } of batch.images ? candidatesOf(trace) : []) {
    const contributions = await source.contributions(frame.step, tensor, flat);
    const image = leadingImage(contributions);
    const share = contributions[image] / contributions.reduce((sum, value) => sum + value, 0);
    const why = named(tensor, unravel(flat, description.shapes[tensor]));
    if (!best.why || (share > best.share && share <= 1)) best = { why, image, share };
    if (performance.now() > end) break;
  }
  return best.why ? { phase: "backward", step: frame.step, why: best.why, image: best.image } : {};
}

/** Returns the frame of a step, or of the first step on a timeout. @param {Source} source @param {number} step */
async function frameOf(source, step) {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT);
  try {
    return await source.frame(step, timeout.signal);
  } catch (error) {
    if (timeout.signal.aborted) return source.frame(0);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Returns weights of the last convolution but one, so that their errors pass back through a convolution, or else of the only
 * convolution or the last layer with weights. Among the weights with large gradients whose change is mostly due to the batch,
 * and whose causes are all visible, they changed much compared with their values. If there are none, returns the weight with
 * the largest gradient.
 * @param {Trace} trace  of a step, without an image
 */
function candidatesOf(trace) {
  const { description, batch } = trace;
  const layers = description.plan.forward.filter(({ reads }) => reads[1]?.kind === "parameter" && trace.values.has(`${reads[1].storage}.g`));
  const convolutions = layers.filter(({ name }) => name === "cross_correlate");
  const tensor = (convolutions.at(-2) ?? convolutions[0] ?? layers.at(-1))?.reads[1]?.storage;
  if (!batch || !tensor) return [];
  const gradient = batch.gradient.subarray(...description.layout[tensor]);
  const candidates = byMagnitude(gradient).slice(0, SEARCHED).map((flat) => {
    const { total = 0, memory = 0, batch = 0, decay = 0 } = changeOf(trace, tensor, unravel(flat, description.shapes[tensor])) ?? {};
    const [size, before, ...parts] = [total, trace.values.get(tensor)?.data[flat] ?? 0, memory, batch, decay].map(Math.abs);
    return { tensor, flat, before, size, share: batch / total, least: Math.min(before, ...parts.filter(Boolean)) / size };
  });
  const caused = candidates.filter(({ share, least }) => share >= MOST && share <= 1 && least >= VISIBLE).sort((a, b) => b.size - a.size);
  const visible = caused.slice(0, Math.ceil(caused.length / 4)).sort((a, b) => a.before - b.before);
  return (visible.length ? visible : candidates.slice(0, 1)).slice(0, TRIED);
}

/** Returns the index of the value that contributes most to the sum. @param {number[]} values */
export function leadingImage(values) {
  const sign = Math.sign(values.reduce((sum, value) => sum + value, 0)) || 1;
  return values.reduce((best, value, n) => (sign * value > sign * values[best] ? n : best), 0);
}
