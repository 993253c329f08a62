/** The way in: an image that the network gets wrong, early in training, and a weight with a large gradient there. */

import { button, createElement } from "./elements.js";
import { gradientName } from "./engine/interpreter.js";
import { unravel } from "./engine/tensor.js";
import { answer } from "./engine/trace.js";
import { named } from "./explain/naming.js";
import { sampleOf } from "./source/samples.js";
import { wordsOf } from "./trouble.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Trace} Trace */

const EARLY = 10; // steps
const MOST = 60; // images looked at
const AT_ONCE = 12; // of them between two frames of the screen

/** @param {App} app @param {HTMLElement} row */
export function mountStart(app, row) {
  const go = button("Start here", () => void start(app, go), { class: "start-here" });
  go.title = "An image that the network gets wrong, early in training, and a weight that it changes much";
  const words = createElement("span", { class: "start-words" }, "or click any number");
  row.append(go, words);
  const update = () => {
    go.hidden = words.hidden = app.place.cell !== null;
  };
  app.listen("place", update);
  update();
}

/** @param {App} app @param {HTMLButtonElement} pressed */
async function start(app, pressed) {
  pressed.disabled = true;
  try {
    const step = await earlyStep(app);
    const frame = await app.source.frame(step);
    const sample = await wrongest(app, frame);
    const shown = () => app.trace?.frame.step === frame.step && app.trace.picture.from === `sample ${sample}`;
    let waiting = true;
    const choose = () => {
      if (!waiting || !shown() || !app.trace) return;
      waiting = false;
      app.go({ phase: "backward", cell: telling(app.trace) });
    };
    app.listen("trace", choose);
    app.go({ view: "network", phase: "backward", cell: null, sample, step });
    choose();
  } catch (error) {
    pressed.title = wordsOf(error);
  } finally {
    pressed.disabled = false;
  }
}

/** Returns an early step that can be shown; null: the newest. @param {App} app */
async function earlyStep(app) {
  const { training, source } = app;
  if (!training?.sparse && !training?.steps) return null; // nothing is known of earlier steps
  const marks = training?.sparse ? (source.training.marks?.() ?? []).map(({ step }) => step).filter((step) => step > 0) : [EARLY];
  const early = Math.min(...marks.filter((step) => step < (training?.newest ?? 0)));
  if (!Number.isFinite(early)) return null;
  return source.frame(early).then(
    () => early,
    () => null, // earlier steps cannot be computed here
  );
}

/**
 * Returns the image with the largest gradient at several scores: wrong, and undecided between some classes.
 * @param {App} app @param {Frame} frame
 */
async function wrongest(app, frame) {
  const samples = await app.source.samples();
  let [best, most] = [0, -Infinity];
  for (let i = 0; i < Math.min(MOST, samples.count); i += 1) {
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise(requestAnimationFrame);
    const p = answer(app.description, frame, sampleOf(samples, i)).probabilities;
    const right = samples.labels[i];
    const isWrong = p.length > 1 && p.indexOf(Math.max(...p)) !== right;
    const gradient = p.reduce((sum, each, k) => sum + Math.abs(each - (k === right ? 1 : 0)), 0);
    const classes = 1 / p.reduce((sum, each) => sum + each * each, 0); // among which it is undecided
    const score = (isWrong ? 10 : 0) + gradient + Math.min(classes, 4) / 4;
    if (score > most) [best, most] = [i, score];
  }
  return best;
}

/** Returns the weight with the largest gradient: of the second convolution, or else the last. @param {Trace} trace */
function telling(trace) {
  const weights = trace.description.plan.forward.flatMap(({ name, reads }) => {
    const gradient = reads[1]?.kind === "parameter" ? gradientName(reads[1].storage) : "";
    return trace.values.has(gradient) ? [{ convolution: name === "cross_correlate", gradient }] : [];
  });
  const convolutions = weights.filter(({ convolution }) => convolution);
  const chosen = convolutions[1] ?? convolutions[0] ?? weights.at(-1);
  const array = chosen && trace.values.get(chosen.gradient);
  if (!chosen || !array) return "loss.y";
  let largest = 0;
  array.data.forEach((value, at) => {
    if (Math.abs(value) > Math.abs(array.data[largest])) largest = at;
  });
  return named(chosen.gradient, unravel(largest, array.shape));
}
