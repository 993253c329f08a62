/** The switch: forward, backward, update. */

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

/** @param {import("./harder.js").App} app */
export function mountPhases(app) {
  const row = document.getElementById("phases");
  if (!row) return;
  const group = document.createElement("div");
  group.className = "switch";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "What is shown");
  const buttons = PHASES.map((phase) => phaseButton(phase, app));
  group.append(...buttons);
  const words = document.createElement("p");
  words.className = "phase-words";
  const legend = document.createElement("div");
  legend.id = "legend";
  row.append(group, words, legend);
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

/** @param {Phase} phase @param {App} app */
function phaseButton(phase, app) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = LABELS[phase];
  button.dataset.phase = phase;
  button.addEventListener("click", () => app.go({ phase }));
  return button;
}

/** @param {KeyboardEvent} event @param {App} app */
function byKey(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey || app.place.view !== "network") return;
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const phase = PHASES.find((each) => each[0] === event.key);
  if (phase) app.go({ phase });
}
