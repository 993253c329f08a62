/** The elements of one stage of the network diagram: its name and shape, its maps, its parameters. */

import { createElement } from "../../elements.js";
import { text } from "../../engine/tensor.js";
import { counted } from "../../numbers_brief.js";
import { Block } from "./block.js";

/** @typedef {import("./stages.js").Stage} Stage */

export class StageView {
  /** @param {Stage} stage @param {import("./block.js").BlockEvents} events */
  constructor(stage, events) {
    this.stage = stage;
    this.blocks = stage.blocks.map((spec) => new Block(spec, events));
    this.maps = group(
      "maps",
      this.blocks.filter((block) => block.spec.role === "maps"),
    );
    this.parameters = group(
      "parameters",
      this.blocks.filter((block) => block.spec.role === "parameters"),
    );
    this.head = this.#head();
    this.element = createElement(
      "div",
      {
        role: "group",
        class: `diagram-stage${stage.slim ? " slim" : ""}${stage.apart ? " apart" : ""}`,
        tabindex: -1,
        "data-stage": stage.name,
        "aria-label": stage.name,
      },
      this.head,
      this.maps,
      this.parameters,
    );
  }

  #head() {
    const { name, written, shape, parameters, reads, shares } = this.stage;
    const brief = short(written);
    this.note = createElement("p", { class: brief.length > 12 ? "written long" : "written", title: written }, brief);
    const size = createElement("p.number", shape.length ? text(shape) : "");
    const head = createElement("header", createElement("h2", name), this.note, size);
    if (reads) head.append(createElement("p.reads", reads));
    if (shares) head.append(createElement("p.shares", `weights of ${shares}`));
    if (parameters) size.title = counted(parameters, "parameter");
    return head;
  }
}

/** @param {string} kind @param {Block[]} blocks */
function group(kind, blocks) {
  return createElement("div", { class: `diagram-group ${kind}` }, ...blocks.map(({ element }) => element));
}

/** Shortens the description of a layer: removes initializers and zero padding. @param {string} written */
function short(written) {
  return written.replace(/, (\w+_)?initializer='[^']*'/g, "").replace(/, padding=0/, "");
}
