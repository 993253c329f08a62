/** One plane of a tensor, enlarged so that single cells can be selected with a mouse or finger. */

import { button, createElement } from "../../elements.js";
import { Block } from "./block.js";
import { loupeRoom } from "./sizing.js";

/** @typedef {import("./stage.js").StageView} StageView */

const SIDE = 364; // pixels
const NUDGES = [
  ["←", "ArrowLeft", "left"],
  ["↑", "ArrowUp", "up"],
  ["↓", "ArrowDown", "down"],
  ["→", "ArrowRight", "right"],
  ["Select", "Enter", "select the cell"],
];

/** @param {Block} source */
function labelOf({ spec }) {
  return spec.minus === null ? spec.tensor : `change of ${spec.minus}`;
}

export class Loupe {
  /**
   * @param {StageView} stage @param {Block} source
   * @param {import("./block.js").BlockEvents} events @param {() => void} closed
   */
  constructor(stage, source, events, closed) {
    this.stage = stage;
    this.source = source;
    this.block = new Block({ ...source.spec, label: labelOf(source) }, events);
    const label = `Close the enlarged ${source.spec.tensor}`;
    const close = button("×", closed, { class: "plain close", "aria-label": label });
    this.element = createElement("div.loupe", close, this.block.element, this.#pad());
    stage.element.append(this.element);
    stage.element.classList.add("wide");
    stage.button?.setAttribute("aria-expanded", "true");
  }

  /** @param {import("../../types.js").Trace} trace @param {number} flat  element that must be visible */
  open(trace, flat) {
    const side = Math.min(SIDE, globalThis.innerWidth - 64);
    this.block.setTrace(trace);
    this.block.fit(loupeRoom(this.block.shape ?? [], this.block.spec.reads, side));
    this.block.cursor = flat;
    this.block.reveal(flat);
    this.block.paint();
  }

  remove() {
    this.element.remove();
    this.stage.element.classList.remove("wide");
    this.stage.button?.setAttribute("aria-expanded", "false");
  }

  /** Creates buttons that move the cursor by one cell, for touch screens. */
  #pad() {
    const buttons = NUDGES.map(([sign, key, words]) =>
      button(sign, () => void this.block.press(key), { "aria-label": words }),
    );
    return createElement("div.nudge", ...buttons);
  }
}
