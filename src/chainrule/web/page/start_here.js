/**
 * The opening place and the "Start here" button. The page opens early in training, on a misclassified image; the button
 * selects a weight with a large gradient.
 */

import { button, createElement } from "./elements.js";
import { gradientName } from "./engine/interpreter.js";
import { unravel } from "./engine/tensor.js";
import { named } from "./explain/naming.js";
import { sampleName } from "./source/samples.js";
import { informativeSample, searchedSamples } from "./informative_sample.js";
import { errorMessage } from "./error_message.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").BatchStep} BatchStep */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Trace} Trace */

const START = "Start here";
const TIMEOUT = 2500; // milliseconds to wait for an early step; after that, the first step is shown

/** @typedef {{sample: number, step: number | null}} Opening */

/** Where the page of a network opened. @type {WeakMap<Description, Opening>} */
const openings = new WeakMap();

/** @param {App} app @param {HTMLElement} row */
export function mountStart(app, row) {
  const go = button(START, () => void start(), { class: "start-here" });
  go.title = "Shows a misclassified image early in training, and a weight with a large gradient";
  const words = createElement("span", { class: "start-words" }, "or click any number");
  /** @type {Opening | null}  the place to select a weight at, until it is selected or the reader leaves */
  let pending = null;

  const start = async () => {
    go.disabled = true;
    go.textContent = "Looking for a weight …";
    try {
      pending = await openingOf(app);
      app.go({ view: "network", phase: "backward", cell: null, ...pending });
      void selectWeight();
    } catch (error) {
      go.title = errorMessage(error);
    } finally {
      go.disabled = false;
      go.textContent = START;
    }
  };
  const selectWeight = async () => {
    const requested = pending;
    const shown = requested && traceOf(app, requested);
    if (!shown) return;
    const batch = await app.source.batchStep(shown.frame.step).catch(() => null); // unavailable for some steps
    const trace = traceOf(app, requested); // the trace may have changed meanwhile
    if (!trace || pending !== requested) return;
    pending = null;
    app.go({ phase: "backward", cell: informativeWeight(trace, batch) });
  };
  const update = () => {
    const { view, cell, sample, step } = app.place;
    go.hidden = words.hidden = cell !== null;
    if (view !== "network" || cell !== null || sample !== pending?.sample || step !== pending.step) pending = null;
  };
  row.append(go, words);
  app.listen("place", update);
  app.listen("trace", () => void selectWeight());
  update();
}

/** Returns the trace if it belongs to an opening place. @param {App} app @param {Opening} place */
function traceOf({ place, trace }, { sample, step }) {
  if (place.step !== step || trace?.picture.from !== sampleName(sample)) return null;
  return step === null || trace.frame.step === step ? trace : null;
}

/** Returns the place where the page opened, or a new one if that step is no longer available. @param {App} app */
async function openingOf(app) {
  const opening = openings.get(app.description);
  const isAvailable = opening && (opening.step ?? 0) <= (app.training?.newest ?? 0);
  return isAvailable ? opening : openingPlace(app.source, app.description);
}

/**
 * Returns the opening place: an early step if available, and an image that the network misclassifies at that step.
 * @param {Source} source @param {Description} description
 * @returns {Promise<Opening>}
 */
export async function openingPlace(source, description) {
  const samples = await source.samples(); // once these are available, earlier steps are available, too
  const early = await earlyFrame(source).catch(() => null);
  const frame = early ?? (await source.frame(null));
  const sample = await informativeSample(description, frame, samples, searchedSamples(description));
  const place = { sample, step: early && early.step };
  if (place.step !== 0) openings.set(description, place); // an early step may become available later
  return place;
}

/** Returns the frame of an early step, or of the first on a timeout; null if training has not reached it. @param {Source} source */
async function earlyFrame(source) {
  const { training } = source;
  const { early, newest, sparse } = await training.state();
  if (early === undefined) return null;
  const marked = (training.marks?.() ?? []).map(({ step }) => step).filter((step) => step > 0 && step < newest);
  const distance = (/** @type {number} */ step) => Math.abs(step - early);
  const step = sparse ? marked.sort((a, b) => distance(a) - distance(b))[0] : early;
  if (step === undefined) return null;
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
 * Returns the gradient cell of a weight of the second convolution (or else of the last layer). Among the weights whose
 * gradient has the same sign for the image and for the whole batch, it has the largest gradient.
 * @param {Trace} trace @param {BatchStep | null} batch  the next step of training, where it is known
 */
function informativeWeight(trace, batch) {
  const weights = trace.description.plan.forward.flatMap(({ name, reads }) => {
    const weight = reads[1]?.kind === "parameter" ? reads[1].storage : "";
    return trace.values.has(gradientName(weight)) ? [{ convolution: name === "cross_correlate", weight }] : [];
  });
  const convolutions = weights.filter(({ convolution }) => convolution);
  const { weight } = convolutions[1] ?? convolutions[0] ?? weights.at(-1) ?? { weight: "" };
  const array = trace.values.get(gradientName(weight));
  if (!array) return "loss.y";
  const [first, last] = trace.description.layout[weight];
  const whole = batch?.gradient.subarray(first, last);
  const agreed = (/** @type {number} */ at) => (whole && whole[at] * array.data[at] <= 0 ? 0 : Math.abs(array.data[at]));
  let largest = 0;
  array.data.forEach((_, at) => {
    if (agreed(at) > agreed(largest)) largest = at;
  });
  return named(gradientName(weight), unravel(largest, array.shape));
}
