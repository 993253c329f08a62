/** @typedef {import("../../types.js").App} App */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  element.dataset.model = app.description.name;
}
