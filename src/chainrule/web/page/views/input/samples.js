/** A dialog with the samples, by class. */

import { pictureCanvas } from "./thumbnail.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {{count: number, labels: number[], x: Uint8Array}} Samples */

export class SampleDialog {
  #class = -1;

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.dialog = document.createElement("dialog");
    this.dialog.className = "samples";
    this.dialog.setAttribute("aria-label", "Samples");
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    document.body.append(this.dialog);
  }

  async open() {
    const samples = await this.app.source.samples();
    this.#fill(samples);
    this.dialog.showModal();
  }

  /** @param {Samples} samples */
  #fill(samples) {
    const head = document.createElement("header");
    const title = document.createElement("h2");
    title.textContent = "Samples the network was not trained on";
    const close = button("Close", () => this.dialog.close());
    head.append(title, close);
    this.dialog.replaceChildren(head, this.#classes(samples), this.#grid(samples));
  }

  /** @param {Samples} samples */
  #classes(samples) {
    const row = document.createElement("div");
    row.className = "classes";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Class");
    const { classes } = this.app.description;
    const names = ["all", ...classes];
    names.forEach((name, place) => {
      const each = button(name, () => {
        this.#class = place - 1;
        this.#fill(samples);
        const buttons = this.dialog.querySelectorAll("button[aria-pressed]");
        /** @type {HTMLElement | undefined} */ (buttons[place])?.focus();
      });
      each.setAttribute("aria-pressed", String(this.#class === place - 1));
      row.append(each);
    });
    return row;
  }

  /** @param {Samples} samples */
  #grid({ count, labels, x }) {
    const grid = document.createElement("div");
    grid.className = "thumbnails";
    const size = x.length / count;
    const { classes, input_shape } = this.app.description;
    for (let i = 0; i < count; i += 1) {
      if (this.#class >= 0 && labels[i] !== this.#class) continue;
      const each = button("", () => {
        this.dialog.close();
        this.app.go({ sample: i });
      });
      each.setAttribute("aria-label", `Sample ${i}: ${classes[labels[i]] ?? labels[i]}`);
      each.title = `sample ${i}`;
      if (i === this.app.place.sample) each.setAttribute("aria-current", "true");
      each.append(pictureCanvas(x.subarray(i * size, (i + 1) * size), input_shape));
      grid.append(each);
    }
    return grid;
  }
}

/** @param {string} text @param {() => void} action */
function button(text, action) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", action);
  return element;
}
