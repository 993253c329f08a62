/** The notice that the loss is small, so that all gradients are tiny. It offers a harder sample. */

import { button, createElement } from "./elements.js";
import { formatNumber } from "./explain/numbers.js";
import { hasUpdate } from "./update_availability.js";
import { informativeSample } from "./informative_sample.js";

/** @typedef {import("./types.js").App} App */

const SMALL_LOSS = 0.01;

/** @param {App} app @param {HTMLElement} instead  the text shown otherwise; the notice is placed after it */
export function mountSmallLossNotice(app, instead) {
  const words = createElement("span");
  const go = button("Show a harder one", () => void goToHardest(app), { class: "link" });
  const note = createElement("p.phase-words", words, " ", go);
  const update = () => {
    const loss = app.trace?.values.get("loss.y")?.data[0] ?? Infinity;
    const unknown = app.place.phase === "update" && app.trace && !hasUpdate(app.trace);
    const real = app.place.phase === "update" && app.trace?.batch;
    note.hidden = app.place.phase === "forward" || unknown || Boolean(real) || !(loss < SMALL_LOSS);
    instead.hidden = !note.hidden;
    if (!note.hidden) words.textContent = `The loss of this image is only ${formatNumber(loss)}, so its gradients are tiny.`;
  };
  app.listen("place", update);
  app.listen("trace", update);
  update();
  instead.after(note);
}

/** @param {App} app */
async function goToHardest(app) {
  if (app.trace) app.go({ sample: await informativeSample(app.description, app.trace.frame, await app.source.samples()) });
}
