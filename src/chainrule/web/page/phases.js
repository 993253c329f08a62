/** The switch: forward, backward, update. */

import { button, make } from "./elements.js";
import { mountHarder } from "./harder.js";
import { hasUpdate, lackingWords } from "./moments.js";
import { PHASES } from "./state.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").Phase} Phase */

const LABELS = { forward: "Forward →", backward: "← Backward", update: "Update" };
const WORDS = {
  forward: "What every layer makes of the picture, from the input to the loss.",
  backward: "How the loss would change with every number: the gradients, from the loss back to the first layer.",
  update: "What one step of training changes: every parameter before it, its change, and after it.",
};

/** @param {App} app */
export function mountPhases(app) {
  const row = document.getElementById("phases");
  if (!row) return;
  const buttons = PHASES.map((phase) => button(LABELS[phase], () => app.go({ phase }), { "data-phase": phase }));
  const group = make("div", { class: "switch", role: "group", "aria-label": "What is shown" }, ...buttons);
  const words = make("p", { class: "phase-words" });
  row.append(group, words, make("div", { id: "legend" }));
  mountHarder(app, words);
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
