/** Image files: chosen, dropped on the input, or pasted. */

import { loadPicture } from "./load.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {(words: string) => void} Say */

/** @param {App} app @param {Say} say */
export function fileButton(app, say) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "image/png,image/jpeg";
  input.className = "unseen";
  input.tabIndex = -1;
  input.setAttribute("aria-label", "Image file");
  input.addEventListener("change", () => {
    take(input.files?.[0], app, say);
    input.value = "";
  });
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Image…";
  button.title = "A PNG or JPEG, up to 5 MB; dropped or pasted too";
  button.addEventListener("click", () => input.click());
  const both = document.createElement("span");
  both.append(button, input);
  return both;
}

/** @param {HTMLElement} element  dropped on @param {App} app @param {Say} say */
export function acceptFiles(element, app, say) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    take(event.dataTransfer?.files[0], app, say);
  });
  addEventListener("paste", (event) => {
    if (app.place.view === "lab") return;
    take(event.clipboardData?.files[0], app, say);
  });
}

/** @param {File | undefined} file @param {App} app @param {Say} say */
async function take(file, app, say) {
  if (!file) return;
  try {
    const name = /^sample \d+$|^drawn$/.test(file.name) ? `“${file.name}”` : file.name || "pasted image";
    app.show(await loadPicture(file, name, app.description));
    say("");
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
}
