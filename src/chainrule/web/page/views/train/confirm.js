/** The confirmation dialog for actions that cannot be undone. */
import { button, createElement } from "../../elements.js";

/**
 * Asks a question in a dialog; resolves to whether it was confirmed.
 * @param {HTMLElement} home @param {string} question @param {string} words @param {string} yes
 * @returns {Promise<boolean>}
 */
export function confirmed(home, question, words, yes) {
  const title = createElement("h2", { id: "train-question" }, question);
  const keep = button("Cancel", () => dialog.close(), { class: "train-button" });
  const go = button(yes, () => dialog.close("yes"), { class: "train-button train-go" });
  const buttons = createElement("div.train-buttons", keep, go);
  const attributes = { class: "train-dialog", "aria-labelledby": title.id };
  const dialog = createElement("dialog", attributes, title, createElement("p", words), buttons);
  home.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
