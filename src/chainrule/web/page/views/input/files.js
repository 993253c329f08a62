/** Image files: chosen, dropped on the input, or pasted. */

import { button, createElement } from "../../elements.js";
import { sampleNumber } from "../../source/samples.js";
import { errorMessage } from "../../error_message.js";
import { loadPicture } from "./load.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {(words: string) => void} Say */

/** @param {App} app @param {Say} say */
export function fileButton(app, say) {
  const input = createElement("input", {
    type: "file",
    accept: "image/png,image/jpeg",
    class: "unseen",
    tabindex: -1,
    "aria-label": "Image file",
  });
  input.addEventListener("change", () => {
    take(input.files?.[0], app, say);
    input.value = "";
  });
  const title = "PNG or JPEG, up to 5 MB; can also be dropped or pasted";
  return createElement(
    "span",
    {},
    button("Image…", () => input.click(), { title }),
    input,
  );
}

/** @param {HTMLElement} element  drop target @param {App} app @param {Say} say */
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
    take(event.clipboardData?.files[0], app, say);
  });
}

/** @param {File | undefined} file @param {App} app @param {Say} say */
async function take(file, app, say) {
  if (!file) return;
  try {
    const own = sampleNumber(file.name) !== null || file.name === "drawn"; // these names are reserved for images of the page itself
    const name = own ? `“${file.name}”` : file.name || "pasted image";
    app.show(await loadPicture(file, name, app.description));
    say("");
  } catch (error) {
    say(errorMessage(error));
  }
}
