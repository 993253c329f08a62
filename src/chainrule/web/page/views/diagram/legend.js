/** The color scale of the map at the pointer or of the selected map, with the values at its ends. */

import { formatNumber } from "../../explain/numbers.js";
import { createElement } from "../../elements.js";
import { table } from "../../style/scale.js";

/** @typedef {import("../../style/scale.js").Scale} Scale */

export class Legend {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    element.className = "diagram-legend";
    this.name = createElement("span.cell-name");
    this.low = createElement("span.number.low");
    this.high = createElement("span.number");
    this.canvas = createElement("canvas", { width: 256, height: 1 });
    this.scale = createElement("span.diagram-legend", this.name, this.low, this.canvas, this.high);
    element.append(this.scale);
  }

  /** @param {string} name @param {Scale} scale */
  show(name, scale) {
    this.scale.hidden = scale.low === scale.high;
    this.name.textContent = name;
    this.low.textContent = formatNumber(scale.low);
    this.high.textContent = formatNumber(scale.high);
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const colors = table(scale.kind);
    const image = context.createImageData(256, 1);
    for (let i = 0; i < 256; i += 1) image.data.set([...colors.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    context.putImageData(image, 0, 0);
  }
}
