/** The header: the model's name, and buttons for the theme and the list of keys. */

import { keysDialog } from "./keys.js";
import { counted } from "./numbers_brief.js";
import { isDark, onTheme, toggleTheme } from "./theme.js";

/** @typedef {import("./types.js").App} App */

/** @param {App} app */
export function mountHeader(app) {
  document.documentElement.toggleAttribute("data-embedded", self !== top); // the page around it has a header of its own
  element("model").textContent = modelLine(app);
  document.title = `${app.description.name} · chainrule`;
  mountTheme();
  const dialog = keysDialog();
  element("keys").addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.key === "?" && !isTyping(event.target)) dialog.showModal();
  });
  element("skip").addEventListener("click", (event) => {
    event.preventDefault();
    element("main").focus();
  });
}

/** @param {App} app */
function modelLine(app) {
  const count = app.description.layers.reduce((sum, layer) => sum + layer.parameters, 0);
  return `${app.description.name} · ${counted(count, "parameter")}`;
}

function mountTheme() {
  const button = element("theme");
  const update = () => {
    button.textContent = isDark() ? "☀\uFE0E" : "☾\uFE0E";
    button.title = isDark() ? "Light" : "Dark";
  };
  button.addEventListener("click", toggleTheme);
  onTheme(update);
  update();
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`index.html has no element “${id}”`);
  return node;
}
