/** Lecture mode: large letters, only the essentials. The sheet follows the keys of a presenter's remote control. */

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
  });
}
