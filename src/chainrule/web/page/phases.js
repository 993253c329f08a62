/** The switch between forward, backward and update. */

import { button, createElement } from "./elements.js";
import { whole } from "./numbers_brief.js";
import { passWords } from "./passes.js";
import { AWAITED, awaitsStep, hasUpdate, lackingWords } from "./update_availability.js";
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
  const group = createElement("div.switch", { role: "group", "aria-label": "Pass shown" }, ...buttons);
  const words = createElement("p.phase-words");
  const { training } = passWords(app.description);
  const stepChoice = stepSwitch(app);
  row.append(group, stepChoice.element, createElement("div", { id: "legend" }), words);
  const update = () => {
    for (const choice of buttons) choice.setAttribute("aria-pressed", String(choice.dataset.phase === app.place.phase));
    stepChoice.update();
    words.textContent = app.place.phase === "update" && app.trace ? updateWords(app, app.trace) : `${WORDS[app.place.phase]} ${training}`;
  };
  app.listen("place", update);
  app.listen("trace", update);
  update();
  addEventListener("keydown", (event) => byKey(event, app));
}

/** Returns a description of the update that is shown. @param {App} app @param {import("./types.js").Trace} trace */
function updateWords(app, trace) {
  const { batch } = trace;
  if (batch) {
    const [step, images] = [batch.step + 1, batch.numbers.length].map(whole);
    return `Training step ${step}, on its batch of ${images} images: each parameter before and after it, and its change.`;
  }
  if (awaitsStep(app)) return AWAITED;
  const why = app.place.alone || !app.alone ? "" : ` The training step cannot be shown: ${app.alone}.`;
  return (hasUpdate(trace) ? WORDS.update : lackingWords(trace)) + why;
}

/** Creates the switch between the training step and a step on the shown image alone. @param {App} app */
function stepSwitch(app) {
  const buttons = [false, true].map((alone) =>
    button(alone ? "This image alone" : "Training step", () => app.go({ alone })),
  );
  const element = createElement("div.switch", { role: "group", "aria-label": "Step shown" }, ...buttons);
  return {
    element,
    update() {
      element.hidden = app.place.phase !== "update";
      buttons.forEach((choice, at) => choice.setAttribute("aria-pressed", String(app.place.alone === Boolean(at))));
    },
  };
}

/** @param {KeyboardEvent} event @param {App} app */
function byKey(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const phase = PHASES.find((choice) => choice[0] === event.key);
  if (phase) app.go({ phase });
}
