/** One plane of a tensor enlarged, so that single cells can be hit with a mouse or a finger. */

import { Block } from "./block.js";
import { loupeRoom } from "./fitting.js";

/** @typedef {import("./stage.js").StageView} StageView */

const SIDE = 364;

/** @param {Block} source */
function labelOf({ spec }) {
  return spec.minus === null ? spec.tensor : `change of ${spec.minus}`;
}

export class Loupe {
  /**
   * @param {StageView} stage @param {Block} source
   * @param {import("./block.js").River} river @param {() => void} closed
   */
  constructor(stage, source, river, closed) {
    this.stage = stage;
    this.source = source;
    this.block = new Block({ ...source.spec, label: labelOf(source) }, river, stage.stage.name);
    this.element = document.createElement("div");
    this.element.className = "loupe";
    const close = document.createElement("button");
    close.type = "button";
    close.className = "plain close";
    close.textContent = "×";
    close.setAttribute("aria-label", `Close the enlarged ${source.spec.tensor}`);
    close.addEventListener("click", closed);
    this.element.append(close, this.block.element, this.#pad());
    stage.element.append(this.element);
    stage.element.classList.add("wide");
    stage.button?.setAttribute("aria-expanded", "true");
  }

  /** @param {import("../../types.js").Trace} trace @param {number} flat  the number that must be seen */
  open(trace, flat) {
    const side = Math.min(SIDE, globalThis.innerWidth - 64);
    this.block.take(trace);
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

  /** Buttons for a finger: a cell further. */
  #pad() {
    const pad = document.createElement("div");
    pad.className = "nudge";
    for (const [sign, key, words] of [["←", "ArrowLeft", "left"], ["↑", "ArrowUp", "up"], ["↓", "ArrowDown", "down"],
      ["→", "ArrowRight", "right"], ["Choose", "Enter", "choose the cell"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = sign;
      button.setAttribute("aria-label", words);
      button.addEventListener("click", () => this.block.press(key));
      pad.append(button);
    }
    return pad;
  }
}
