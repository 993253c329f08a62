/** The dialog for choosing a sample, filtered by class. */

import { button, createElement } from "../../elements.js";
import { labelName, sampleName, samplePixels } from "../../source/samples.js";
import { pictureCanvas } from "../../figures/picture.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Samples} Samples */

export class SampleDialog {
  #class = -1;

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.dialog = createElement("dialog.samples", { "aria-label": "Samples" });
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
    const title = createElement("h2", "Samples that the network was not trained on");
    const head = createElement(
      "header",
      {},
      title,
      button("Close", () => this.dialog.close()),
    );
    this.dialog.replaceChildren(head, ...(samples.labels.length ? [this.#classes(samples)] : []), this.#grid(samples));
  }

  /** @param {Samples} samples */
  #classes(samples) {
    const choose = (/** @type {number} */ place) => {
      this.#class = place - 1;
      this.#fill(samples);
      const buttons = this.dialog.querySelectorAll("button[aria-pressed]");
      /** @type {HTMLElement | undefined} */ (buttons[place])?.focus();
    };
    const buttons = ["all", ...this.app.description.classes].map((name, place) =>
      button(name, () => choose(place), { "aria-pressed": String(this.#class === place - 1) }),
    );
    return createElement("div.classes", { role: "group", "aria-label": "Class" }, ...buttons);
  }

  /** @param {Samples} samples */
  #grid(samples) {
    const { count, labels } = samples;
    const grid = createElement("div.thumbnails");
    const { input_shape } = this.app.description;
    for (let i = 0; i < count; i += 1) {
      if (this.#class >= 0 && labels[i] !== this.#class) continue;
      const choose = () => {
        this.dialog.close();
        this.app.go({ sample: i });
      };
      const thumbnail = button("", choose, {
        "aria-label": labels.length ? `Sample ${i}: ${labelName(this.app.description, labels[i])}` : `Sample ${i}`,
        title: sampleName(i),
        "aria-current": i === this.app.place.sample && "true",
      });
      thumbnail.append(pictureCanvas(samplePixels(samples, i), input_shape));
      grid.append(thumbnail);
    }
    return grid;
  }
}
