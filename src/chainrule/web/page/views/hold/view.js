/**
 * The first screen: a few inputs, weights and outputs of a layer, with their numbers. A reader holds one of them, by pointer,
 * touch or arrow keys, and sees what it is made of. A click or Enter keeps it; then a slider moves it.
 */

import { gradientName } from "../../engine/interpreter.js";
import { canNudge } from "../../engine/nudge.js";
import { range, sizeOf } from "../../engine/tensor.js";
import { button, createElement, createSvg } from "../../elements.js";
import { cellButton } from "../../figures/cell_button.js";
import { lossSlider } from "../../figures/loss_slider.js";
import { heldLayer, holdable, holdingOf, sideOf } from "../../explain/held_layer.js";
import { layered, named, parted, valueOf } from "../../explain/naming.js";
import { onTheme } from "../../theme.js";
import { Cells, nextCell } from "./cells.js";
import { sumOf, wordsOf } from "./words.js";

/** @typedef {import("../../types.js").Operation} Operation */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/held_layer.js").HeldLayer} HeldLayer */
/** @typedef {import("../../explain/held_layer.js").Holding} Holding */

const LEGEND = "The loss L says how wrong the network is. dy says how fast L grows if the output y grows. Σ: add up. Orange is above 0, blue below.";
const LINE = "A kernel (a, b, c) on a line of inputs: y₀ = a·x₀ + b·x₁ + c·x₂, y₁ = a·x₁ + b·x₂ + c·x₃, y₂ = a·x₂ + b·x₃ + c·x₄. The outputs y₀, y₁, y₂ used x₂ with the weights c, b, a. So the gradient of x₂ is c·dy₀ + b·dy₁ + a·dy₂: the kernel in reverse order.";
const MOVABLE = 5_000_000; // most products of a forward pass where a slider is shown
const SIDES = /** @type {const} */ ([["y", "An output"], ["x", "An input"], ["w", "A weight"]]);

/** @param {HTMLElement} element @param {import("../../types.js").App} app */
export function mount(element, app) {
  const view = new HoldView(element, app);
  for (const what of /** @type {const} */ (["place", "trace"])) app.listen(what, () => view.update());
  onTheme(() => view.draw());
  new ResizeObserver(() => view.draw()).observe(view.stage);
}

class HoldView {
  /** @type {{trace: Trace, layer: HeldLayer, cells: Cells} | null} */
  #shown = null;
  #held = "";
  /** @type {string | null} */
  #moved = null; // the cell that the slider moves

  /** @param {HTMLElement} element @param {import("../../types.js").App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    this.choices = createElement("div.hold-choices");
    this.words = createElement("p.hold-words", { "aria-live": "polite" });
    this.lines = createSvg("svg", { class: "hold-lines", "aria-hidden": "true" });
    this.stage = createElement("div.hold-stage");
    this.sum = createElement("p.hold-sum");
    this.slider = createElement("div.hold-slider");
    this.line = createElement("details", createElement("summary", "Why the order is reversed, in one dimension"), createElement("p", LINE));
    const head = createElement("div.hold-head", createElement("h2", "Hold a number"), this.choices);
    element.append(head, this.words, this.stage, this.sum, this.slider, this.line, createElement("p.story-meta", LEGEND));
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  update() {
    const { trace, place: { hold, why } } = this.app;
    if (!trace) return;
    const before = this.#shown?.trace;
    const isSame = before && trace.frame === before.frame && trace.picture.x === before.picture.x;
    if (this.#shown && isSame && (hold === null || this.#shown.cells.has(hold))) {
      this.#shown.trace = trace;
      this.#hold(hold ?? this.#held);
    } else this.#show(trace, hold, hold || !why ? undefined : holdable(trace).find((operation) => sideOf(operation, why)));
  }

  /** Shows the part of a layer around a cell. @param {Trace} trace @param {string | null} cell @param {Operation} [chosen]  its layer, if it is chosen */
  #show(trace, cell, chosen) {
    const operations = holdable(trace);
    const owners = operations.filter((candidate) => cell && sideOf(candidate, cell));
    const owner = owners.find((candidate) => sideOf(candidate, cell ?? "") !== "x") ?? owners[0];
    const operation = chosen ?? owner ?? operations.find(({ name }) => name === "cross_correlate") ?? operations[0];
    this.element.hidden = !operation;
    if (!operation) return;
    const layer = heldLayer(trace, operation, cell);
    const cells = new Cells(layer, (held, isKept) => this.#choose(held, isKept));
    this.#shown = { trace, layer, cells };
    this.stage.replaceChildren(...cells.elements, this.lines);
    this.stage.dataset.kind = operation.name;
    this.stage.style.setProperty("--across", String(cells.across));
    this.choices.replaceChildren(...this.#choices(trace, operations, layer));
    this.#hold(this.app.place.hold ?? middle(layer, "y"));
  }

  /** Creates the choices of a side, a layer and channels. @param {Trace} trace @param {Operation[]} operations @param {HeldLayer} layer */
  #choices(trace, operations, layer) {
    const { operation } = layer;
    const sides = SIDES.filter(([side]) => layer.grids[side]);
    const buttons = sides.map(([side, words]) => button(words, () => this.#choose(middle(layer, side), true), { "data-side": side }));
    const names = operations.map(({ writes }) => layered(writes[0].storage).layer);
    const { tensor, index } = parted(middle(layer, "w"));
    const axes = operation.name === "cross_correlate" ? ["filter", "channel"] : [];
    return [
      createElement("div.switch", { role: "group", "aria-label": "Hold" }, ...buttons),
      ...this.#select("layer", names, operations.indexOf(operation), (at) => this.#show(trace, null, operations[at])),
      ...axes.flatMap((title, axis) => {
        const numbers = range(0, operation.reads[1]?.shape[axis] ?? 1).map((at) => `${title} ${at}`);
        return this.#select(title, numbers, index[axis], (at) => this.#show(trace, named(tensor, index.with(axis, at)), operation));
      }),
    ];
  }

  /** Returns a choice if there is more than one name. @param {string} title @param {string[]} names @param {number} chosen @param {(at: number) => void} act @returns {HTMLElement[]} */
  #select(title, names, chosen, act) {
    if (names.length < 2) return [];
    const options = names.map((name, at) => createElement("option", { selected: at === chosen }, name));
    const select = createElement("select", { "aria-label": title }, ...options);
    select.addEventListener("change", () => {
      const at = select.selectedIndex;
      this.app.go({ hold: null });
      act(at);
      this.choices.querySelector(/** @type {"select"} */ (`[aria-label="${title}"]`))?.focus();
    });
    return [select];
  }

  /** Holds a cell; keeps it, or releases it if it was kept. @param {string} cell @param {boolean} isKept */
  #choose(cell, isKept) {
    const { hold } = this.app.place;
    if (isKept) this.app.go({ hold: hold === cell ? null : cell });
    if (isKept || hold === null) this.#hold(cell);
  }

  /** @param {string} cell */
  #hold(cell) {
    if (this.#shown?.cells.has(cell)) this.#held = cell;
    this.draw();
  }

  /** Writes the numbers, and what the held one is made of. */
  draw() {
    if (!this.#shown) return;
    const { trace, layer, cells } = this.#shown;
    const holding = holdingOf(trace, layer, this.#held);
    cells.draw(trace, holding, this.app.place.hold === this.#held);
    this.words.textContent = wordsOf(layer, holding);
    const parts = sumOf(layer, holding).flatMap((part) => [" ", part.includes("·") ? createElement("span", part) : part]);
    const source = holding.source || this.#held;
    this.sum.replaceChildren(cellButton(this.app, source, source), ...parts);
    for (const choice of this.choices.querySelectorAll(/** @type {"button"} */ ("[data-side]"))) choice.setAttribute("aria-pressed", String(choice.dataset.side === holding.side));
    this.lines.replaceChildren(...cells.ends.map(({ kind, path }) => createSvg("path", { class: kind, d: path() })));
    const { name, attributes } = layer.operation;
    this.line.hidden = holding.side !== "x" || name !== "cross_correlate" || attributes.flip;
    this.element.classList.toggle("kept", this.app.place.hold !== null);
    this.#showSlider(trace);
  }

  /** Shows the slider of a number that is kept, once the page is painted. @param {Trace} trace */
  #showSlider(trace) {
    const { hold } = this.app.place;
    if (hold === this.#moved) return;
    this.#moved = hold;
    this.slider.replaceChildren();
    const { tensor, index } = parted(hold ?? "");
    const slope = valueOf(trace, named(gradientName(tensor), index));
    const { plan, shapes } = trace.description;
    const cost = plan.forward.reduce((sum, { reads: [, w], writes: [y] }) => sum + sizeOf(y.shape) * sizeOf(shapes[w?.storage ?? ""]?.slice(1) ?? []), 0);
    if (hold === null || slope === null || cost > MOVABLE || !canNudge(trace, tensor)) return;
    setTimeout(() => {
      if (this.#moved === hold) this.slider.replaceChildren(...lossSlider(trace, hold, slope, (change) => this.app.nudge(change)).elements);
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const next = nextCell(event);
    const { hold } = this.app.place;
    if (event.key === "Escape" && hold) this.app.go({ hold: null });
    else if (next) {
      next.focus();
      if (hold && hold !== next.dataset.cell) this.#choose(next.dataset.cell ?? "", true);
    } else return;
    event.preventDefault();
  }
}

/** Returns the cell in the middle of a grid. @param {HeldLayer} layer @param {import("../../explain/held_layer.js").Side} side */
function middle({ grids }, side) {
  const cells = grids[side]?.cells ?? [""];
  return cells[Math.floor(cells.length / 2)];
}
