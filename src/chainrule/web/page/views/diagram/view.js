/** The network diagram, from the input to the loss. */

import { createElement } from "../../elements.js";
import { ravel } from "../../engine/tensor.js";
import { gradientName } from "../../engine/interpreter.js";
import { layered, parted, placeOf } from "../../explain/naming.js";
import { hasUpdate } from "../../update_availability.js";
import { inLectureMode } from "../../lecture_mode.js";
import { onTheme } from "../../theme.js";
import { fitDiagram } from "./sizing.js";
import { Highlight } from "./highlight.js";
import { Legend } from "./legend.js";
import { Overview } from "./overview.js";
import { reach } from "./reach.js";
import { Readout } from "./readout.js";
import { StageView } from "./stage.js";
import { stagesOf } from "./stages.js";
import { Wiring } from "./wiring.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./block.js").BlockEvents} Reporting */
/** @typedef {import("../../types.js").Box} Box */

const KEYS = "Arrow keys move from cell to cell, Enter selects one, Page Up and Page Down change the page of maps.";

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const diagram = new Diagram(element, app);
  app.listen("trace", () => diagram.take());
  app.listen("place", () => diagram.moved());
  app.listen("hover", () => diagram.mark());
  onTheme(() => diagram.paint());
  new ResizeObserver(() => diagram.resized()).observe(element);
  new ResizeObserver(() => diagram.settle()).observe(diagram.track);
}

/** @implements {Reporting} */
class Diagram {
  /** @type {StageView[]} */
  stages = [];
  /** @type {Block[]} */
  blocks = [];
  /** @type {Block | null} */
  pointed = null;
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
    this.overview = new Overview(this.place);
    element.append(createElement("p", { id: "diagram-keys", class: "unseen" }, KEYS), this.place, this.overview.element);
    this.wiring = new Wiring(this.track, (stage) => this.#visit(stage));
    this.legend = new Legend(document.getElementById("legend") ?? createElement("div"));
    this.highlight = new Highlight(this.track);
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
    this.settle();
  }

  /** Draws everything that depends on the positions of the stages. */
  settle() {
    this.wiring.draw();
    this.overview.draw();
    this.mark();
  }

  paint() {
    for (const block of this.blocks) block.paint();
    this.#legend();
  }

  #build() {
    const { trace, place } = this.app;
    const content = place.phase === "update" && trace && !hasUpdate(trace) ? "update, unknown" : place.phase;
    if (!trace || this.#built === content) return;
    this.#built = content;
    const focused = this.blocks.find((candidate) => candidate.canvas === document.activeElement);
    for (const stage of this.stages) stage.element.remove();
    this.stages = stagesOf(trace, place.phase).map((stage) => new StageView(stage, this));
    this.blocks = this.stages.flatMap((stage) => stage.blocks);
    this.track.dataset.phase = place.phase;
    this.track.prepend(...this.stages.map((stage) => stage.element));
    this.wiring.build(this.stages, trace.description.layers, place.phase);
    this.overview.build(this.stages, this.wiring.drawn.map(({ wire }) => wire));
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
    for (const block of this.blocks.filter((candidate) => candidate.spec.leads)) this.#syncPages(block);
  }

  /** Returns the block that shows a tensor itself instead of its change. @param {string} tensor */
  #first(tensor) {
    return this.blocks.find((block) => block.spec.tensor === tensor && block.spec.minus === null);
  }

  /** @param {Block} block @param {number} flat */
  point(block, flat) {
    const changed = block !== this.pointed;
    this.pointed = block;
    if (changed) this.#legend();
    const name = block.nameOf(flat);
    if (name === this.app.hovered && changed) this.mark();
    else this.app.hover(name);
  }

  /** @param {Block} block */
  leave(block) {
    if (this.pointed === block) this.app.hover(null);
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

  /** @param {Block} block */
  turned(block) {
    this.#syncPages(block);
    this.mark();
  }

  /** Shows the same page in all three blocks of a parameter: before, change, after. @param {Block} block */
  #syncPages(block) {
    const { trio } = block.spec;
    if (trio === null || !this.blocks.includes(block)) return;
    for (const candidate of this.blocks.filter((other) => other.spec.trio === trio && other.page !== block.page)) {
      candidate.turnTo(block.page);
      candidate.paint();
    }
  }

  /** Marks the cell at the pointer, its inputs, the cells computed from it, and the selected cell. */
  mark() {
    const { trace, hovered, place } = this.app;
    const shown = trace && hovered ? placeOf(trace, hovered) : null;
    const cell = place.cell ?? this.#asked();
    const selected = trace && cell ? placeOf(trace, cell) : null;
    const center = hovered ?? (selected ? place.cell : null);
    const boxes = trace && center ? reach(trace, center, place.phase) : { from: [], to: [] };
    this.#turnTo(boxes.from);
    const middle = shown ?? selected;
    const at = middle ? this.#nearest(middle.tensor) : null;
    const here = at && middle ? this.highlight.placeOne(at, middle.flat) : [];
    const marks = {
      here,
      from: this.highlight.place(boxes.from, this.blocks),
      to: this.highlight.place(boxes.to, this.blocks),
      ends: [...this.highlight.ends(boxes.from, this.blocks), ...this.highlight.ends(boxes.to, this.blocks)],
      chosen: selected
        ? this.blocks.filter(({ spec }) => spec.tensor === selected.tensor).flatMap((block) => this.highlight.placeOne(block, selected.flat))
        : [],
    };
    this.wiring.light(pairsAround(center, boxes)); // after everything that measures maps
    this.highlight.draw(marks);
    if (shown && at && here.length && hovered) {
      this.readout.show(hovered, at.data[shown.flat], at.spec.minus ? "change " : "", here[0]);
    } else this.readout.hide();
  }

  #turnToAsked() {
    const { trace } = this.app;
    const cell = this.#asked();
    const place = trace && cell ? placeOf(trace, cell) : null;
    const block = place && this.#first(place.tensor);
    if (block && place && block.reveal(place.flat)) this.#syncPages(block);
  }

  /** Returns the cell of the weight in question, as it is shown in the phase. */
  #asked() {
    const { why, phase } = this.app.place;
    if (!why || phase !== "backward") return why;
    const { tensor } = parted(why);
    return why.replace(tensor, gradientName(tensor));
  }

  /** Scrolls the network so that a stage is in the middle. @param {HTMLElement} element */
  #center(element) {
    const left = element.offsetLeft - Math.max(0, (this.place.clientWidth - element.offsetWidth) / 2);
    this.place.scrollTo({ left, behavior: "instant" });
  }

  /** Scrolls to a stage and moves the keyboard focus there. @param {StageView} stage */
  #visit({ element }) {
    this.#center(element);
    element.focus({ preventScroll: true });
    element.animate([{ backgroundColor: "var(--accent-wash)" }, {}], { duration: 1200, easing: "ease-in" });
  }

  /** Turns to the page of the parameters that a cell was computed from, if none of them is visible. @param {Box[]} boxes */
  #turnTo(boxes) {
    for (const box of boxes) {
      const block = this.blocks.find((candidate) => candidate.spec.tensor === box.tensor && candidate.spec.role === "parameters");
      if (!block?.tiling || (block.planes?.pages ?? 1) < 2 || block.tiling.rects(box).length) continue;
      block.reveal(ravel(box.from, block.shape ?? []));
      this.#syncPages(block);
    }
  }

  /** Returns the block of a tensor: the one at the pointer, else the first. @param {string} tensor */
  #nearest(tensor) {
    const shows = (/** @type {Block | null} */ block) => block?.spec.tensor === tensor;
    if (shows(this.pointed) && this.pointed && this.blocks.includes(this.pointed)) return this.pointed;
    return this.blocks.find(shows) ?? null;
  }

  #legend() {
    const { pointed } = this;
    const tensor = parted(this.#asked() ?? "").tensor;
    const first = this.#first(tensor) ?? this.blocks.find(({ spec }) => spec.tensor !== "x") ?? this.blocks[0];
    const current = pointed && this.blocks.includes(pointed) ? pointed : first;
    if (current) this.legend.show(current.spec.minus ? current.spec.key : current.spec.tensor, current.scale);
  }
}

/**
 * Returns the pairs of stages between a cell and the cells that are highlighted with it.
 * @param {string | null} cell @param {import("./reach.js").Reach} reach @returns {[string, string][]}
 */
function pairsAround(cell, { from, to }) {
  if (!cell) return [];
  const here = stageOf(parted(cell).tensor);
  return [...from, ...to].map(({ tensor }) => [here, stageOf(tensor)]);
}

/** Returns the name of the stage that a tensor belongs to. @param {string} tensor */
function stageOf(tensor) {
  return tensor === "t" ? "loss" : layered(tensor).layer || "input";
}
