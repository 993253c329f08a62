/** The header: tabs of the views, the model's name, and buttons for the theme and the list of keys. */

import { createElement } from "./elements.js";
import { keysDialog } from "./keys.js";
import { counted } from "./numbers_brief.js";
import { VIEWS } from "./state.js";
import { mountShownStep } from "./shown_step.js";
import { isDark, onTheme, toggleTheme } from "./theme.js";

/** @typedef {import("./types.js").App} App */

const NAMES = { network: "Network", lab: "Lab", walk: "Walk" };

/** @param {App} app */
export function mountHeader(app) {
  const tabs = VIEWS.map((view) => tab(view, app));
  element("tabs").append(...tabs);
  element("model").textContent = modelLine(app);
  document.title = `${app.description.name} · chainrule`;
  mountShownStep(app, element("step"));
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
  const update = () => showView(app, tabs);
  app.listen("place", update);
  update();
}

/** @param {import("./types.js").View} view @param {App} app */
function tab(view, app) {
  const link = createElement("a", { href: `#/${view}`, "data-view": view }, NAMES[view]);
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    app.go({ view });
  });
  return link;
}

/** @param {App} app @param {HTMLElement[]} tabs */
function showView(app, tabs) {
  for (const tabLink of tabs) {
    if (tabLink.dataset.view === app.place.view) tabLink.setAttribute("aria-current", "page");
    else tabLink.removeAttribute("aria-current");
  }
  for (const part of document.querySelectorAll("[data-views]")) {
    const views = part.getAttribute("data-views")?.split(" ") ?? [];
    part.toggleAttribute("hidden", !views.includes(app.place.view));
  }
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
