/** The switch between forward, backward and update. */

import { button, createElement } from "./elements.js";
import { mountHardest } from "./hardest_digit.js";
import { hasUpdate, lackingWords } from "./update_availability.js";
import { PHASES } from "./state.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").Phase} Phase */

const LABELS = { forward: "Forward →", backward: "← Backward", update: "Update" };
const WORDS = {
  forward: "What each layer computes from the image, from the input to the loss.",
  backward: "How the loss changes with each value: the gradients, from the loss back to the first layer.",
  update: "What one training step changes: each parameter before and after the step, and its change.",
};

/** @param {App} app */
export function mountPhases(app) {
  const row = document.getElementById("phases");
  if (!row) return;
  const buttons = PHASES.map((phase) => button(LABELS[phase], () => app.go({ phase }), { "data-phase": phase }));
  const group = createElement("div", { class: "switch", role: "group", "aria-label": "Pass shown" }, ...buttons);
  const words = createElement("p", { class: "phase-words" });
  row.append(group, words, createElement("div", { id: "legend" }));
  mountHardest(app, words);
  const update = () => {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.phase === app.place.phase));
    const lacking = app.place.phase === "update" && app.trace && !hasUpdate(app.trace);
    words.textContent = lacking && app.trace ? lackingWords(app.trace) : WORDS[app.place.phase];
  };
  app.listen("place", update);
  app.listen("trace", update);
  update();
  addEventListener("keydown", (event) => byKey(event, app));
}

/** @param {KeyboardEvent} event @param {App} app */
function byKey(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey || app.place.view !== "network") return;
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const phase = PHASES.find((each) => each[0] === event.key);
  if (phase) app.go({ phase });
}
