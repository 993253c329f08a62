/** The training step that the page shows, and a button to the newest step. Both are in the header of every view. */

import { button, createElement } from "./elements.js";
import { whole } from "./numbers_brief.js";

/** @typedef {import("./types.js").App} App */

/** @param {App} app @param {HTMLElement} element */
export function mountShownStep(app, element) {
  const words = createElement("span", { class: "step-words" });
  const newest = button("Newest step", () => app.go({ step: null }), { class: "step-newest" });
  element.append(words, newest);
  const update = () => {
    const { training, trace, place } = app;
    const hasSteps = Boolean(training && (training.steps || training.newest));
    element.hidden = !hasSteps || place.view === "lab"; // the lab has its own values
    if (!training || !hasSteps) return;
    const step = place.step ?? trace?.frame.step ?? training.newest;
    const past = place.step !== null && place.step !== training.newest;
    const total = Math.max(training.newest, past ? 0 : training.steps);
    element.classList.toggle("step-past", past);
    newest.hidden = !past;
    const rest = createElement("span", { class: "step-of" }, ` of ${whole(total)}`);
    const after = createElement("span", { class: "step-after" }, "after ");
    words.replaceChildren(...(step ? [after, `step ${whole(step)}`, rest] : ["before training"]));
    element.title = past ? `The network after training step ${whole(step)}; the newest is step ${whole(training.newest)}` : "";
  };
  for (const what of /** @type {const} */ (["place", "trace", "training"])) app.listen(what, update);
  update();
}
