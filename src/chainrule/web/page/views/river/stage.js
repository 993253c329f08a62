/** One stage of the river as elements: its name and shape, its maps, its parameters. */

import { Block } from "./block.js";

/** @typedef {import("./stages.js").Stage} Stage */

export class StageView {
  /** @param {Stage} stage @param {import("./block.js").River} river @param {(stage: StageView) => void} toggled */
  constructor(stage, river, toggled) {
    this.stage = stage;
    this.element = document.createElement("div");
    this.element.setAttribute("role", "group");
    this.element.className = stage.slim ? "river-stage slim" : "river-stage";
    this.element.dataset.stage = stage.name;
    this.element.setAttribute("aria-label", stage.name);
    this.blocks = stage.blocks.map((spec) => new Block(spec, river, stage.name));
    this.maps = group("maps", this.blocks.filter((block) => block.spec.role === "maps"));
    this.parameters = group("parameters", this.blocks.filter((block) => block.spec.role === "parameters"));
    this.element.append(this.#head(toggled), this.maps, this.parameters);
  }

  /** @param {(stage: StageView) => void} toggled */
  #head(toggled) {
    const { name, written, shape, parameters } = this.stage;
    const head = document.createElement("header");
    const title = document.createElement("h2");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "plain";
    this.button.textContent = name;
    this.button.disabled = this.blocks.length === 0;
    this.button.setAttribute("aria-expanded", "false");
    this.button.addEventListener("click", () => toggled(this));
    title.append(this.button);
    this.note = line(short(written).length > 12 ? "written long" : "written", short(written));
    this.note.title = written;
    head.append(title, this.note, line("number", shape.length ? shape.join("×") : ""));
    const count = `${parameters.toLocaleString("en")} parameters`;
    if (parameters) head.append(line(parameters > 99999 ? "number count" : "number", count));
    return head;
  }
}

/** @param {string} kind @param {Block[]} blocks */
function group(kind, blocks) {
  const element = document.createElement("div");
  element.className = `river-group ${kind}`;
  /** @type {Map<string, HTMLElement>} */
  const trios = new Map();
  for (const block of blocks) {
    const { trio } = block.spec;
    const row = trio === null ? element : (trios.get(trio) ?? document.createElement("div"));
    if (trio !== null && !trios.has(trio)) {
      row.className = "trio";
      element.append(row);
      trios.set(trio, row);
    }
    row.append(block.element);
  }
  return element;
}

/** @param {string} kind @param {string} text */
function line(kind, text) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  return element;
}

/** How a layer is written, without how its parameters began. @param {string} written */
function short(written) {
  return written.replace(/, (\w+_)?initializer='[^']*'/g, "").replace(/, padding=0/, "");
}
