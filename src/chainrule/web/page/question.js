/**
 * The question that the page opens on: why did this weight change? It chooses a weight whose change is mostly due to the
 * batch of one step, and largely to one image of the batch, which is shown.
 */

import { gradientName, isCoupled } from "./engine/interpreter.js";
import { byMagnitude, unravel } from "./engine/tensor.js";
import { makeTrace, stepValues } from "./engine/trace.js";
import { changeOf } from "./explain/change.js";
import { named } from "./explain/naming.js";
import { batchPicture } from "./source/samples.js";

/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Trace} Trace */

const TIMEOUT = 4000; // milliseconds to wait for an early step; after that, the first step is shown
const SEARCHED = 400; // weights, evenly among those with the largest gradients
const LARGE = 0.25; // share of the weights, unless there are few
const [TRACED, SIMILAR] = [6, 3]; // images that are traced alone, and largest ratio of their gradients
const MOST = 0.5; // smallest share of the batch in the change
const [ENOUGH, SEARCH] = [0.3, 600]; // share of an image in the change, and milliseconds, after which no further step is tried
const VISIBLE = 0.01; // smallest share of any cause in the change, and smallest size of the weight in changes

/**
 * Returns the place of the question. Without a training step, returns an empty place.
 * @param {Source} source @param {Description} description @returns {Promise<Partial<Place>>}
 */
export async function openingQuestion(source, description) {
  await source.samples(); // once these are available, earlier steps are available, too
  const { early, newest, steps, sparse } = await source.training.state();
  if (!steps || (early === undefined && newest > 0)) return {};
  const first = early ?? Math.max(0, newest - 1);
  const others = sparse ? [] : [0.5, 2, 4].map((times) => Math.floor(times * first)).filter((step) => step !== first && step < newest);
  const end = performance.now() + SEARCH;
  let best = await questionAt(source, description, first);
  for (const step of others) {
    if (!best || best.share >= ENOUGH || performance.now() > end) break;
    const other = await questionAt(source, description, step);
    if (other && other.share > best.share) best = other;
  }
  return best ? { phase: "backward", step: best.step, why: best.why, image: best.image } : {};
}

/**
 * Returns the weight and the image of a step's batch with the largest share of the weight's change; null without weights.
 * @param {Source} source @param {Description} description @param {number} at  the step
 */
async function questionAt(source, description, at) {
  const frame = await frameOf(source, at);
  const batch = await source.batchStep(frame.step);
  const trace = /** @type {Trace} */ ({ description, frame, batch, values: stepValues(description, frame, batch) });
  const tensor = batch.images && searchedTensor(trace);
  if (!tensor) return null;
  const candidates = candidatesOf(trace, tensor);
  const rows = await source.contributions(frame.step, tensor, candidates.map(({ flat }) => flat));
  const questions = candidates.map(({ flat, share }, n) => {
    const image = leadingImage(rows[n]);
    const part = (share * rows[n][image]) / rows[n].reduce((sum, value) => sum + value, 0);
    return { step: frame.step, why: named(tensor, unravel(flat, description.shapes[tensor])), image, share: part <= 1 ? part : 0 };
  });
  const agree = isCoupled(description) ? questions.filter(await agreesAlone(trace, tensor, candidates, rows, questions)) : questions;
  return (agree.length ? agree : questions).reduce((best, other) => (other.share > best.share ? other : best));
}

/**
 * Returns whether an image that is traced alone has a similar gradient as in its batch, for batches whose images depend on each
 * other. Only the images with the largest shares are traced.
 * @param {Trace} trace @param {string} tensor @param {{flat: number}[]} candidates @param {number[][]} rows  contributions
 * @param {{image: number, share: number}[]} questions  of the candidates
 */
async function agreesAlone({ description, frame, batch }, tensor, candidates, rows, questions) {
  const images = new Set([...questions].sort((a, b) => b.share - a.share).map(({ image }) => image));
  const [alone, end] = [new Map(), performance.now() + SEARCH];
  for (const image of images) {
    const picture = batch && batchPicture(batch, image);
    if (picture) alone.set(image, makeTrace(description, frame, picture).values.get(gradientName(tensor))?.data);
    if (performance.now() > end || alone.size === TRACED) break;
    await new Promise((resume) => setTimeout(resume));
  }
  return (/** @type {{image: number}} */ { image }, /** @type {number} */ n) => {
    const ratio = (alone.get(image)?.[candidates[n].flat] ?? 0) / (rows[n][image] * rows[n].length);
    return ratio > 1 / SIMILAR && ratio < SIMILAR;
  };
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
 * Returns the weights that are searched: those of the convolution before the last one with a kernel, so that errors pass back
 * through a rotated kernel, or else of the only convolution or the last layer with weights. Frozen weights do not change.
 * @param {Trace} trace  of a step, without an image @returns {string | undefined}
 */
function searchedTensor({ description: { plan, step, shapes }, values }) {
  const isLearned = (/** @type {string} */ name) => !step.frozen.includes(name) && values.has(`${name}.g`);
  const layers = plan.forward.filter(({ reads }) => reads[1]?.kind === "parameter" && isLearned(reads[1].storage));
  const convolutions = layers.filter(({ name }) => name === "cross_correlate");
  const last = convolutions.findLastIndex(({ reads }) => Math.max(...(shapes[reads[1]?.storage ?? ""] ?? []).slice(2)) > 1);
  return (convolutions[Math.max(0, last - 1)] ?? layers.at(-1))?.reads[1]?.storage;
}

/**
 * Returns the weights with large gradients whose change is mostly due to the batch, and whose causes are all visible. If there
 * are none, returns those whose change is partly due to the batch, or all.
 * @param {Trace} trace  of a step, without an image @param {string} tensor
 */
function candidatesOf(trace, tensor) {
  const { description, batch } = trace;
  const gradient = batch?.gradient.subarray(...description.layout[tensor]) ?? [];
  const large = byMagnitude(gradient).slice(0, Math.max(SEARCHED, LARGE * gradient.length));
  const every = Math.ceil(large.length / SEARCHED);
  const candidates = large.filter((_, at) => at % every === 0).map((flat) => {
    const { total = 0, memory = 0, batch = 0, decay = 0 } = changeOf(trace, tensor, unravel(flat, description.shapes[tensor])) ?? {};
    const sizes = [trace.values.get(tensor)?.data[flat] ?? 0, memory, batch, decay].map(Math.abs);
    return { flat, share: batch / total, least: Math.min(sizes[0], ...sizes.slice(1).filter(Boolean)) / Math.abs(total) };
  });
  const caused = candidates.filter(({ share, least }) => share >= MOST && share <= 1 && least >= VISIBLE);
  return [caused, candidates.filter(({ share }) => share > 0 && share <= 1), candidates].find(({ length }) => length) ?? [];
}

/** Returns the index of the value that contributes most to the sum. @param {number[]} values */
function leadingImage(values) {
  const sign = Math.sign(values.reduce((sum, value) => sum + value, 0)) || 1;
  return values.reduce((best, value, n) => (sign * value > sign * values[best] ? n : best), 0);
}
