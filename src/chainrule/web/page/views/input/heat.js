/** Where the network looks in the shown image: a map of the gradient of its label's score. */

import { createElement } from "../../elements.js";
import { saliency } from "../../engine/saliency.js";
import { largestMagnitude } from "../../engine/tensor.js";
import { mapCanvas } from "../../figures/map.js";

/** @typedef {import("../../types.js").App} App */

const SIDE = 128; // pixels

export class Heat {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.map = createElement("div");
    const words = "How strongly the score of the label depends on each pixel: |∂score/∂x|, the largest of the channels.";
    this.element = createElement("details.input-heat", createElement("summary", "Where does the network look?"), this.map, createElement("p.note", words));
    this.element.addEventListener("toggle", () => this.update());
  }

  update() {
    const { trace } = this.app;
    if (!trace || !this.element.open) return;
    const [, rows, columns] = trace.description.input_shape;
    const values = saliency(trace);
    this.map.replaceChildren(mapCanvas({ rows, columns, values }, { kind: "sequential", low: 0, high: values[largestMagnitude(values)] }, SIDE));
  }
}
