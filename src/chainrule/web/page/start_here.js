/**
 * The way in: the page opens early in training, on an image that the network gets wrong, and leads to a weight with a
 * large gradient there.
 */

import { button, createElement } from "./elements.js";
import { gradientName } from "./engine/interpreter.js";
import { unravel } from "./engine/tensor.js";
import { named } from "./explain/naming.js";
import { tellingImage, worthALook } from "./telling_image.js";
import { wordsOf } from "./trouble.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").BatchStep} BatchStep */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Trace} Trace */

const START = "Start here";
const PATIENCE = 2500; // milliseconds for an early step to be computed; after that, it is the first one

/** Where the page of a network opened. @type {WeakMap<Description, {sample: number, step: number | null}>} */
const openings = new WeakMap();

/** @param {App} app @param {HTMLElement} row */
export function mountStart(app, row) {
  const go = button(START, () => void start(app, go), { class: "start-here" });
  go.title = "An image that the network gets wrong, early in training, and a weight that it changes much";
  const words = createElement("span", { class: "start-words" }, "or click any number");
  row.append(go, words);
  const update = () => {
    go.hidden = words.hidden = app.place.cell !== null;
  };
  app.listen("place", update);
  update();
}

/**
 * Returns where the page opens: an early step, where there is one, and an image that the network gets wrong there.
 * @param {Source} source @param {Description} description
 * @returns {Promise<{sample: number, step: number | null}>}
 */
export async function openingPlace(source, description) {
  const samples = await source.samples(); // once they are there, earlier steps are too
  const found = await earlyFrame(source).catch(() => null);
  const frame = found ?? (await source.frame(null));
  const sample = await tellingImage(description, frame, samples, worthALook(description));
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

/** @param {App} app @param {HTMLButtonElement} pressed */
async function start(app, pressed) {
  pressed.disabled = true;
  pressed.textContent = "Looking for a weight …";
  try {
    const known = openings.get(app.description);
    const there = known && (known.step ?? 0) <= (app.training?.newest ?? 0);
    const { sample, step } = there ? known : await openingPlace(app.source, app.description);
    const from = `sample ${sample}`;
    const shown = () => app.place.step === step && (step === null || app.trace?.frame.step === step) && app.trace?.picture.from === from;
    let waiting = true;
    const choose = async () => {
      if (!waiting || !shown() || !app.trace) return;
      waiting = false;
      const batch = await app.source.batchStep(app.trace.frame.step).catch(() => null); // it is not known of every step
      if (shown() && app.trace) app.go({ phase: "backward", cell: telling(app.trace, batch) });
    };
    app.listen("trace", () => void choose());
    app.go({ view: "network", phase: "backward", cell: null, sample, step });
    void choose();
  } catch (error) {
    pressed.title = wordsOf(error);
  } finally {
    pressed.disabled = false;
    pressed.textContent = START;
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
