/** The network diagram, from the input to the loss. */

import { createElement } from "../../elements.js";
import { gradientName } from "../../engine/interpreter.js";
import { layered, parted, placeOf } from "../../explain/naming.js";
import { passOf } from "../../phases.js";
import { inLectureMode } from "../../lecture_mode.js";
import { onTheme } from "../../theme.js";
import { fitDiagram } from "./sizing.js";
import { Legend } from "./legend.js";
import { Marks } from "./marks.js";
import { Readout } from "./readout.js";
import { StageView } from "./stage.js";
import { stagesOf } from "./stages.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./block.js").BlockEvents} Reporting */

const KEYS = "Arrow keys move from cell to cell, Enter selects one, Page Up and Page Down change the page of maps.";

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const diagram = new Diagram(element, app);
  app.listen("trace", () => diagram.take());
  app.listen("place", () => diagram.moved());
  onTheme(() => diagram.paint());
  new ResizeObserver(() => diagram.resized()).observe(element);
  new ResizeObserver(() => diagram.mark()).observe(diagram.track);
}

/** @implements {Reporting} */
class Diagram {
  /** @type {StageView[]} */
  stages = [];
  /** @type {Block[]} */
  blocks = [];
  /** @type {Block | null} */
  pointed = null; // the block whose scale is shown
  /** @type {number | null} */
  #here = null; // the cell of this block at the pointer
  #built = "";
  /** @type {string | null} */
  #selected = null;
  #size = "";

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    this.track = createElement("div.diagram-track");
    this.place = createElement("div.diagram-place", this.track);
    element.append(createElement("p", { id: "diagram-keys", class: "unseen" }, KEYS), this.place);
    this.legend = new Legend(document.getElementById("legend") ?? createElement("div"));
    this.marks = new Marks(this.track);
    this.readout = new Readout(this.track);
  }

  /** Shows a new trace. */
  take() {
    const { trace } = this.app;
    if (!trace) return;
    this.#selected ??= this.app.place.cell; // the cell in the address when the page was opened
    this.#build();
    for (const block of this.blocks) block.setTrace(trace);
    const [input] = this.stages;
    if (input.note && input.stage.name === "input") input.note.textContent = trace.picture.from.replace(" of the batch", "");
    this.paint();
    this.mark();
  }

  /** Handles a change of place. */
  moved() {
    if (!this.app.trace) return;
    this.#build();
    this.mark();
    this.#restoreFocus();
  }

  /** Moves the keyboard focus to the map of the selected cell when the panel with the focus is closed. */
  #restoreFocus() {
    const { trace, place } = this.app;
    const left = place.cell === null ? this.#selected : null;
    this.#selected = place.cell;
    const previous = trace && left ? placeOf(trace, left) : null;
    if (!previous) return;
    const restore = () => {
      if (document.activeElement !== document.body) return;
      const block = this.#first(previous.tensor);
      if (block) block.restoreFocus(previous.flat);
      else this.#focusLike(previous.tensor); // moments have no map
    };
    requestAnimationFrame(() => requestAnimationFrame(restore)); // the panel is removed in the next frame
  }

  resized() {
    const size = `${this.element.clientWidth} ${inLectureMode()}`;
    if (size === this.#size) return;
    this.#size = size;
    this.#fit();
    this.paint();
    this.mark();
  }

  paint() {
    for (const block of this.blocks) block.paint();
    this.#legend();
  }

  #build() {
    const { trace } = this.app;
    const pass = passOf(this.app);
    if (!trace || this.#built === pass) return;
    this.#built = pass;
    const focused = this.blocks.find((candidate) => candidate.canvas === document.activeElement);
    for (const stage of this.stages) stage.element.remove();
    this.stages = stagesOf(trace, pass).map((stage) => new StageView(stage, this));
    this.blocks = this.stages.flatMap((stage) => stage.blocks);
    this.track.dataset.phase = pass;
    this.track.prepend(...this.stages.map((stage) => stage.element));
    for (const block of this.blocks) block.setTrace(trace);
    this.#fit();
    this.#turnToAsked();
    this.paint();
    if (focused) this.#focusLike(focused.spec.tensor, focused.spec.role);
  }

  /** Moves the keyboard focus to a map of a tensor's layer. @param {string} tensor @param {string} [role] */
  #focusLike(tensor, role) {
    const own = this.blocks.filter((candidate) => layered(candidate.spec.tensor).layer === layered(tensor).layer);
    const block = own.find((candidate) => candidate.spec.role === role) ?? own[0] ?? this.blocks[0];
    block?.canvas.focus({ preventScroll: true });
  }

  #fit() {
    if (!this.element.clientWidth) return;
    fitDiagram(this.place, this.blocks);
  }

  /** @param {string} tensor */
  #first(tensor) {
    return this.blocks.find((block) => block.spec.tensor === tensor);
  }

  /** @param {Block} block @param {number} flat */
  point(block, flat) {
    const changed = block !== this.pointed;
    this.pointed = block;
    if (changed) this.#legend();
    this.#here = flat;
    this.mark();
  }

  /** @param {Block} block */
  leave(block) {
    if (this.pointed !== block) return;
    this.#here = null;
    this.mark();
  }

  /** @param {Block} block @param {number} flat */
  choose(block, flat) {
    block.cursor = flat;
    this.pointed = block;
    this.app.go({ cell: block.nameOf(flat) });
  }

  /** @param {Block} block @param {number} flat */
  speak(block, flat) {
    this.readout.speak(block.nameOf(flat), block.data[flat]);
  }

  turned() {
    this.mark();
  }

  /** Marks the cell at the pointer, with its name and value, and the selected cell. */
  mark() {
    const { trace, place } = this.app;
    const cell = place.cell ?? this.#asked();
    const selected = trace && cell ? placeOf(trace, cell) : null;
    const chosen = this.blocks.filter(({ spec }) => spec.tensor === selected?.tensor);
    this.marks.draw("chosen", selected ? chosen.flatMap((block) => this.marks.place(block, selected.flat)) : []);
    const block = this.pointed && this.blocks.includes(this.pointed) ? this.pointed : null;
    const here = block && this.#here !== null ? this.marks.place(block, this.#here) : [];
    this.marks.draw("here", here);
    if (block && this.#here !== null && here.length) {
      this.readout.show(block.nameOf(this.#here), block.data[this.#here], here[0]);
    } else this.readout.hide();
  }

  #turnToAsked() {
    const { trace } = this.app;
    const cell = this.#asked();
    const place = trace && cell ? placeOf(trace, cell) : null;
    if (place) this.#first(place.tensor)?.reveal(place.flat);
  }

  /** Returns the cell of the weight in question, as it is shown in the phase. */
  #asked() {
    const { why, phase } = this.app.place;
    if (!why || phase !== "backward") return why;
    const { tensor } = parted(why);
    return why.replace(tensor, gradientName(tensor));
  }

  #legend() {
    const { pointed } = this;
    const tensor = parted(this.#asked() ?? "").tensor;
    const first = this.#first(tensor) ?? this.blocks.find(({ spec }) => spec.tensor !== "x") ?? this.blocks[0];
    const current = pointed && this.blocks.includes(pointed) ? pointed : first;
    if (current) this.legend.show(current.spec.tensor, current.scale);
  }
}
