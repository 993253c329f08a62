/** The switch between the values of the forward pass and the gradients of the backward pass. */

import { button, createElement } from "./elements.js";
import { passWords } from "./passes.js";

/** @typedef {import("./types.js").App} App */

const PASSES = /** @type {const} */ (["forward", "backward"]);
const LABELS = { forward: "Forward →", backward: "← Backward" };
const WORDS = {
  forward: "What each layer computes from the image, from the input to the loss.",
  backward: "How the loss changes with each value: the gradients, from the loss back to the first layer.",
};

/** @param {App} app */
export function mountPhases(app) {
  const row = document.getElementById("phases");
  if (!row) return;
  const buttons = PASSES.map((pass) => button(LABELS[pass], () => app.go({ phase: pass }), { "data-phase": pass }));
  const group = createElement("div.switch", { role: "group", "aria-label": "Pass shown" }, ...buttons);
  const words = createElement("p.phase-words");
  const { training } = passWords(app.description);
  row.append(group, createElement("div", { id: "legend" }), words);
  const update = () => {
    const shown = passOf(app);
    for (const choice of buttons) choice.setAttribute("aria-pressed", String(choice.dataset.phase === shown));
    words.textContent = `${WORDS[shown]} ${training}`;
  };
  app.listen("place", update);
  update();
  addEventListener("keydown", (event) => byKey(event, app));
}

/** Returns the pass whose numbers the network shows: gradients also beside a parameter after the step. @param {App} app */
export function passOf({ place }) {
  return place.phase === "forward" ? "forward" : "backward";
}

/** @param {KeyboardEvent} event @param {App} app */
function byKey(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const pass = PASSES.find((choice) => choice[0] === event.key);
  if (pass) app.go({ phase: pass });
}
