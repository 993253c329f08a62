/**
 * The way in: the page opens early in training, on an image that the network gets wrong, and leads to a weight with a
 * large gradient there.
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
const PATIENCE = 2500; // milliseconds for an early step to be computed; after that, it is the first one

/** @typedef {{sample: number, step: number | null}} Opening */

/** Where the page of a network opened. @type {WeakMap<Description, Opening>} */
const openings = new WeakMap();

/** @param {App} app @param {HTMLElement} row */
export function mountStart(app, row) {
  const go = button(START, () => void start(), { class: "start-here" });
  go.title = "An image that the network gets wrong, early in training, and a weight that it changes much";
  const words = createElement("span", { class: "start-words" }, "or click any number");
  /** @type {Opening | null}  where a weight is looked for, until it is found or the reader goes elsewhere */
  let sought = null;

  const start = async () => {
    go.disabled = true;
    go.textContent = "Looking for a weight …";
    try {
      sought = await openingOf(app);
      app.go({ view: "network", phase: "backward", cell: null, ...sought });
      void choose();
    } catch (error) {
      go.title = errorMessage(error);
    } finally {
      go.disabled = false;
      go.textContent = START;
    }
  };
  const choose = async () => {
    const asked = sought;
    const shown = asked && traceOf(app, asked);
    if (!shown) return;
    const batch = await app.source.batchStep(shown.frame.step).catch(() => null); // it is not known of every step
    const trace = traceOf(app, asked); // another one may have come meanwhile
    if (!trace || sought !== asked) return;
    sought = null;
    app.go({ phase: "backward", cell: telling(trace, batch) });
  };
  const update = () => {
    const { view, cell, sample, step } = app.place;
    go.hidden = words.hidden = cell !== null;
    if (view !== "network" || cell !== null || sample !== sought?.sample || step !== sought.step) sought = null;
  };
  row.append(go, words);
  app.listen("place", update);
  app.listen("trace", () => void choose());
  update();
}

/** Returns the trace, if it is that of an opening place. @param {App} app @param {Opening} place */
function traceOf({ place, trace }, { sample, step }) {
  if (place.step !== step || trace?.picture.from !== sampleName(sample)) return null;
  return step === null || trace.frame.step === step ? trace : null;
}

/** Returns where the page opened, or would open now, if that step is no longer there. @param {App} app */
async function openingOf(app) {
  const known = openings.get(app.description);
  const isThere = known && (known.step ?? 0) <= (app.training?.newest ?? 0);
  return isThere ? known : openingPlace(app.source, app.description);
}

/**
 * Returns where the page opens: an early step, where there is one, and an image that the network gets wrong there.
 * @param {Source} source @param {Description} description
 * @returns {Promise<Opening>}
 */
export async function openingPlace(source, description) {
  const samples = await source.samples(); // once they are there, earlier steps are too
  const found = await earlyFrame(source).catch(() => null);
  const frame = found ?? (await source.frame(null));
  const sample = await informativeSample(description, frame, samples, searchedSamples(description));
  const place = { sample, step: found && found.step };
  if (place.step !== 0) openings.set(description, place); // an early step may be there later
  return place;
}

/** Returns the frame of an early step, or of the first; null where training has not come so far. @param {Source} source */
async function earlyFrame(source) {
  const { training } = source;
  const { early, newest, sparse } = await training.state();
  if (early === undefined) return null;
  const marked = (training.marks?.() ?? []).map(({ step }) => step).filter((step) => step > 0 && step < newest);
  const distance = (/** @type {number} */ step) => Math.abs(step - early);
  const step = sparse ? marked.sort((one, other) => distance(one) - distance(other))[0] : early;
  if (step === undefined) return null;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE);
  try {
    return await source.frame(step, late.signal);
  } catch (error) {
    if (late.signal.aborted) return source.frame(0);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Returns the weight with the largest gradient on which its image and the whole batch agree in sign: of the second
 * convolution, or else the last.
 * @param {Trace} trace @param {BatchStep | null} batch  the next step of training, where it is known
 */
function telling(trace, batch) {
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
