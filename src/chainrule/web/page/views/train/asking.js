/** Confirmation of an action that cannot be undone. */

/**
 * @param {HTMLElement} home @param {string} question @param {string} words @param {string} yes
 * @returns {Promise<boolean>}
 */
export function sure(home, question, words, yes) {
  const dialog = document.createElement("dialog");
  dialog.className = "train-dialog";
  const [title, text, buttons] = [make("h2", question), make("p", words), make("div", "")];
  title.id = "train-question";
  dialog.setAttribute("aria-labelledby", title.id);
  const [keep, go] = [make("button", "Cancel"), make("button", yes)];
  go.className = "train-button train-go";
  keep.className = "train-button";
  buttons.className = "train-buttons";
  buttons.append(keep, go);
  dialog.append(title, text, buttons);
  home.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    go.addEventListener("click", () => dialog.close("yes"));
    keep.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** @param {string} name @param {string} text */
function make(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
