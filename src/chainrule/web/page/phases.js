/** The switch between forward, backward and update. */

import { button, createElement } from "./elements.js";
import { mountStart } from "./start_here.js";
import { whole } from "./numbers_brief.js";
import { mountSmallLossNotice } from "./small_loss_notice.js";
import { AWAITED, awaitsStep, hasUpdate, lackingWords, lastStep } from "./update_availability.js";
import { PHASES } from "./state.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").Phase} Phase */

const LABELS = { forward: "Forward →", backward: "← Backward", update: "Update" };
const WORDS = {
  forward: "What each layer computes from the image, from the input to the loss.",
  backward: "How the loss changes with each value: the gradients, from the loss back to the first layer.",
  update: "A step on the shown image alone: each parameter before and after it, and its change.",
};

/** @param {App} app */
export function mountPhases(app) {
  const row = document.getElementById("phases");
  if (!row) return;
  const buttons = PHASES.map((phase) => button(LABELS[phase], () => app.go({ phase }), { "data-phase": phase }));
  const group = createElement("div", { class: "switch", role: "group", "aria-label": "Pass shown" }, ...buttons);
  const words = createElement("p", { class: "phase-words" });
  const last = lastStepLink(app);
  const whose = stepSwitch(app);
  const start = createElement("div", { class: "way-in" });
  mountStart(app, start);
  row.append(group, whose.element, start, words, last.element, createElement("div", { id: "legend" }));
  mountSmallLossNotice(app, words);
  const update = () => {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.phase === app.place.phase));
    whose.update();
    last.update();
    words.textContent = app.place.phase === "update" && app.trace ? updateWords(app, app.trace) : WORDS[app.place.phase];
  };
  app.listen("place", update);
  app.listen("trace", update);
  update();
  addEventListener("keydown", (event) => byKey(event, app));
}

/** Says which update is shown. @param {App} app @param {import("./types.js").Trace} trace */
function updateWords(app, trace) {
  const { batch } = trace;
  if (batch) {
    const [step, images] = [batch.step + 1, batch.numbers.length].map(whole);
    return `Step ${step} of training, on its batch of ${images} images: each parameter before and after it, and its change.`;
  }
  if (awaitsStep(app)) return AWAITED;
  const why = app.place.alone || !app.alone ? "" : ` The step of training cannot be shown: ${app.alone}.`;
  return (hasUpdate(trace) ? WORDS.update : lackingWords(trace)) + why;
}

/** Creates the switch between the step of training and one on the shown image alone. @param {App} app */
function stepSwitch(app) {
  const buttons = [false, true].map((alone) =>
    button(alone ? "This image alone" : "Training’s step", () => app.go({ alone })),
  );
  const element = createElement("div", { class: "switch", role: "group", "aria-label": "Step shown" }, ...buttons);
  return {
    element,
    update() {
      element.hidden = app.place.phase !== "update";
      buttons.forEach((each, at) => each.setAttribute("aria-pressed", String(app.place.alone === Boolean(at))));
    },
  };
}

/** Where training has ended, leads to the last step that it took. @param {App} app */
function lastStepLink(app) {
  const element = button("Show the last step that training took", () => app.go({ step: lastStep(app) }), { class: "link last-step" });
  return {
    element,
    update() {
      const ended = lastStep(app) !== null && app.trace?.frame.step === app.training?.newest;
      element.hidden = app.place.phase !== "update" || app.place.alone || !ended;
    },
  };
}

/** @param {KeyboardEvent} event @param {App} app */
function byKey(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey || app.place.view !== "network") return;
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const phase = PHASES.find((each) => each[0] === event.key);
  if (phase) app.go({ phase });
}
