/** Lecture mode: large letters, only the essentials, and the two keys of a presenter's remote control. */

import { PHASES } from "./state.js";

/** @typedef {import("./types.js").App} App */

/** Returns whether lecture mode is on. */
export function inLectureMode() {
  return document.documentElement.hasAttribute("data-hall");
}

/** @param {App} app */
export function mountLectureMode(app) {
  const update = () => {
    if (app.place.hall === inLectureMode()) return;
    document.documentElement.toggleAttribute("data-hall", app.place.hall);
    dispatchEvent(new Event("resize"));
  };
  app.listen("place", update);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
    if (event.key === "l") app.go({ hall: !app.place.hall });
    else if (inLectureMode()) turn(event, app);
  });
}

/** Shows the next or previous phase if no value is being explained. @param {KeyboardEvent} event @param {App} app */
function turn(event, app) {
  const by = { PageDown: 1, PageUp: -1 }[event.key];
  const { phase, cell } = app.place;
  const next = by && PHASES[PHASES.indexOf(phase) + by];
  if (!next || cell !== null) return;
  event.preventDefault();
  app.go({ phase: next });
}
