/**
 * The sheet: a picture of all numbers along one thread, a rail of stops, and words below. A reader can hold any number at any
 * stop, with the pointer, by touch or with the arrow keys.
 */

import { button, createElement } from "../../elements.js";
import { errorMessage } from "../../error_message.js";
import { explain } from "../../explain/index.js";
import { printedFormula, printedSum } from "../../explain/printed_sum.js";
import { baseOf, gradientOf, isGradient, largestChange, sheetOf } from "../../explain/sheet.js";
import { parted, phaseOf, valueOf } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";
import { inLectureMode } from "../../lecture_mode.js";
import { onTheme } from "../../theme.js";
import { Picture } from "./picture.js";
import { bars, batch, film, slider, traceAfter, turned } from "./side.js";
import { ownStops, stopsOf } from "./stops.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/sheet.js").Sheet} Sheet */
/** @typedef {import("./stops.js").Stop} Stop */
/** @typedef {import("../../explain/printed_sum.js").PrintedSum} PrintedSum */

const ALL = "*"; // every tensor, of a teacher's stop

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const view = new SheetView(element, app);
  for (const what of /** @type {const} */ (["place", "trace"])) app.listen(what, () => view.update());
  onTheme(() => view.draw());
  new ResizeObserver(() => view.draw()).observe(element);
  document.addEventListener("keydown", (event) => view.key(event));
}

class SheetView {
  /** @type {Sheet | null} */
  #sheet = null;
  /** @type {Picture | null} */
  #picture = null;
  /** @type {Stop[]} */
  #stops = [];
  /** @type {Trace | null} */
  #trace = null;
  /** @type {Trace | null} */
  #after = null;
  /** @type {string | null} */
  #followed = null; // the cell whose thread is shown; it stays when another image or step is shown
  #drawn = ""; // the sheet and the stop that are drawn
  /** @type {string | null} */
  #pointed = null;

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    this.back = button("← Back", () => this.#to(this.#number - 1), { class: "sheet-step" });
    this.next = button("Next →", () => this.#to(this.#number + 1), { class: "sheet-step go" });
    this.where = createElement("span.sheet-where", { "aria-live": "polite" });
    this.marks = createElement("div.sheet-marks");
    this.rail = createElement("nav.sheet-rail", { "aria-label": "Stops" }, this.back, this.marks, this.where, this.next);
    this.stage = createElement("div.sheet-stage");
    this.title = createElement("h2", { tabindex: -1 });
    this.words = createElement("p.sheet-words");
    this.sum = createElement("div.sheet-sum", { "aria-live": "polite" });
    this.side = createElement("div.sheet-side");
    this.talk = createElement("div.sheet-talk", createElement("div.sheet-text", this.title, this.words, this.sum), this.side);
    element.append(this.rail, this.stage, this.talk);
    this.stage.addEventListener("pointerleave", () => this.#choose(null, false));
  }

  get #number() {
    return Math.max(1, Math.min(this.#stops.length, this.app.place.stop ?? (this.app.place.hold ? this.#stops.length : 1)));
  }

  get #stop() {
    return this.#stops[this.#number - 1];
  }

  update() {
    const { trace, place, description: { walk } } = this.app;
    if (!trace || (place.why && !trace.batch && !this.app.alone)) return;
    const isOther = trace !== this.#trace;
    const wanted = this.#wanted(trace);
    const isRebuilt = !this.#sheet || wanted !== this.#followed || (isOther && !this.#isNudge(trace));
    if (isOther) this.#after = null;
    this.#trace = trace;
    if (isRebuilt) {
      this.#followed = wanted;
      this.#sheet = sheetOf(trace, wanted);
      this.#picture = new Picture(this.#sheet, (cell, isKept) => this.#choose(cell, isKept));
      this.stage.replaceChildren(this.#picture.element);
      const answer = this.app.picture ? this.app.answer(this.app.picture) : null;
      this.#stops = walk?.length ? ownStops(walk) : stopsOf(trace, this.#sheet, this.app.picture?.label ?? null, answer);
      this.#drawRail();
      this.#drawn = "";
    }
    this.draw();
  }

  /** Returns whether a trace differs from the shown one only in a number that was moved. @param {Trace} trace */
  #isNudge(trace) {
    const before = this.#trace;
    return Boolean(before && (trace.nudge || before.nudge) && trace.frame === before.frame && trace.picture.x === before.picture.x && trace.batch === before.batch);
  }

  /** Returns the cell whose thread is to be shown. @param {Trace} trace */
  #wanted(trace) {
    const { place, description: { walk } } = this.app;
    const exists = (/** @type {string | null} */ cell) => {
      const base = cell === null ? "" : baseOf(trace, cell);
      return parted(base).index.length && valueOf(trace, base) !== null ? base : null; // no thread leads through the loss
    };
    const own = walk?.length ? exists(walk[Math.max(0, Math.min(walk.length, place.stop ?? 1) - 1)].cell) : null;
    if (own ?? exists(place.why)) return own ?? exists(place.why);
    const held = exists(place.hold);
    if (held && !(this.#sheet?.cells.has(held) && exists(this.#followed))) return held;
    return exists(this.#followed) ?? largestChange(trace);
  }

  #drawRail() {
    this.marks.replaceChildren(...this.#stops.map(({ name }, at) => button("", () => this.#to(at + 1), { title: `${at + 1}. ${name}`, "aria-label": `${at + 1}. ${name}` })));
  }

  /** Draws the stop, or what is held. */
  draw() {
    const [trace, stop] = [this.#trace, this.#stop];
    if (!trace || !this.#picture || !stop) return;
    const number = this.#number;
    const key = `${number}`;
    if (key !== this.#drawn) {
      this.#drawn = key;
      this.#pointed = null;
      this.where.textContent = `${number} of ${this.#stops.length} · ${stop.name}`;
      this.back.disabled = number === 1;
      this.next.disabled = number === this.#stops.length;
      [...this.marks.children].forEach((mark, at) => {
        mark.classList.toggle("done", at < number - 1);
        mark.setAttribute("tabindex", at === number - 1 ? "0" : "-1"); // Back and Next lead to the others
        if (at === number - 1) mark.setAttribute("aria-current", "step");
        else mark.removeAttribute("aria-current");
      });
      this.title.textContent = stop.title;
      this.words.innerHTML = stop.words; // escaped where it contains the words of others
      this.#drawSide(trace, stop);
      this.#drive(stop);
    }
    this.#write();
    this.#light();
  }

  /** The trace whose numbers are shown: that after the step at the last but one stop. */
  get #shown() {
    const trace = /** @type {Trace} */ (this.#trace);
    if (!this.#stop.isAfter) return trace;
    this.#after ??= traceAfter(trace);
    return this.#after;
  }

  #write() {
    const known = this.#stops.slice(0, this.#number);
    const [values, gradients] = [new Set(known.flatMap(({ shows }) => shows)), new Set(known.flatMap(({ fills }) => fills))];
    const { thread = [], weight = null } = this.#sheet ?? {};
    const has = (/** @type {string} */ tensor) => values.has(tensor) || values.has(ALL);
    this.#picture?.write(
      this.#shown,
      { values: (cell) => has(parted(cell).tensor) || values.has(cell), gradients: (tensor) => (gradients.has(tensor) || gradients.has(ALL)) },
      new Set([...(this.#number > 1 ? thread.filter((cell) => has(parted(cell).tensor) || values.has(cell)) : []), ...(weight ? [weight] : [])]),
      /** @type {Trace} */ (this.#trace),
    );
  }

  /** Lights the cells of the stop or of the held number, and prints its sum. */
  #light() {
    const { hold } = this.app.place;
    const kept = hold && this.#sheet?.cells.has(baseOf(this.#shown, hold)) ? baseOf(this.#shown, hold) : null;
    const held = kept ?? this.#pointed;
    const stop = this.#stop;
    if (held) {
      const gradient = gradientOf(held);
      const isKnown = (/** @type {string} */ cell) => this.element.querySelector(`[data-cell="${held}"] .${cell === held ? "sheet-value" : "sheet-gradient"}`)?.textContent !== "";
      const cells = [held, gradient].filter((cell) => valueOf(this.#shown, cell) !== null && isKnown(cell));
      this.#explain(cells.filter((cell) => cell === gradient || explain(this.#shown, cell).sources.length), held, [held], kept !== null);
      return;
    }
    if (stop.cell && valueOf(this.#shown, stop.cell) !== null) this.#explain([stop.cell], null, stop.lit ?? [], false, stop.lit === null);
    else {
      this.sum.replaceChildren();
      this.#picture?.light(stop.lit && new Set(stop.lit), null, []);
    }
  }

  /**
   * Prints what cells are made of, and lights the cells of the last one.
   * @param {string[]} cells @param {string | null} held @param {string[]} further @param {boolean} isKept @param {boolean} [isAll]
   */
  #explain(cells, held, further, isKept, isAll = false) {
    const trace = this.#shown;
    const isShown = (/** @type {string} */ cell) => this.#sheet?.cells.has(baseOf(trace, cell)) ?? false;
    const lit = new Set(further);
    /** @type {import("./picture.js").Line[]} */
    let lines = [];
    const sums = cells.map((cell) => {
      const explanation = explain(trace, cell);
      const target = baseOf(trace, cell);
      const sum = printedSum(explanation, isShown);
      const sources = sum ? sum.parts.flatMap((part) => part.cells) : explanation.sources.filter(isShown);
      for (const source of [...sources, target]) lit.add(baseOf(trace, source));
      const most = Math.max(0, ...(sum?.parts ?? []).map(({ value }) => Math.abs(value)));
      lines = (sum?.parts ?? []).flatMap((part) => part.cells.map((source) => baseOf(trace, source)).filter((source) => source !== target).slice(0, 2).map((source) => ({ from: source, to: target, value: part.value, most })));
      if (!sum) lines = sources.map((source) => ({ from: baseOf(trace, source), to: target, value: 1, most: 4 }));
      return this.#line(cell, sum, printedFormula(trace, explanation));
    });
    if (this.#stop.cell === cells[0] && !held) lines = lines.filter(({ from }) => !(from in trace.description.layout));
    this.sum.replaceChildren(...sums);
    this.#picture?.light(isAll ? null : lit, held, lines, isKept);
  }

  /** @param {string} cell @param {PrintedSum | null} sum @param {string} formula */
  #line(cell, sum, formula) {
    const open = () => this.app.go({ cell, phase: phaseOf(cell) ?? this.app.place.phase });
    const { tensor } = parted(cell);
    const name = isGradient(tensor) ? `slope ∂L/∂ ${baseOf(this.#shown, cell)}` : tensor.endsWith(".update") ? `${baseOf(this.#shown, cell)} after the step` : cell;
    const link = button(name, open, { class: "link cell-name", title: `Show how ${cell} is computed` });
    if (!sum) return createElement("p", link, " = ", formula);
    const parts = sum.parts.flatMap(({ text, value, kind }, at) => {
      const part = kind === "rest" ? button(text, open, { class: "link sheet-rest", title: "Show all products" }) : createElement("span", { class: value < 0 ? "negative" : "positive" }, text);
      return at ? [" + ", part] : [part];
    });
    const zeros = sum.zeros ? createElement("span.sheet-zeros", `${sum.parts.length ? " + " : ""}${sum.zeros} ${sum.zeros === 1 ? "term that is" : "terms that are"} 0`) : "";
    const scaled = sum.scale ? ["(", ...parts, zeros, `) · ${sum.scale}`] : [...parts, zeros];
    const [first] = sum.parts;
    const isCopy = sum.parts.length === 1 && first.cells.length === 1 && !sum.zeros && !sum.scale && !first.text.includes("·");
    const printed = isCopy ? [`${isGradient(tensor) ? "slope ∂L/∂ " : ""}${baseOf(this.#shown, first.cells[0])}`] : scaled;
    return createElement("p", link, " = ", ...(sum.parts.length || sum.zeros ? printed : ["0"]), " ", createElement("b", sum.result));
  }

  /** @param {Trace} trace @param {Stop} stop */
  #drawSide(trace, stop) {
    const { weight } = /** @type {Sheet} */ (this.#sheet);
    const label = this.app.picture?.label ?? null;
    const answer = this.app.picture ? this.app.answer(this.app.picture) : null;
    const show = () => {
      switch (stop.side) {
        case "bars": return bars(trace, answer, label);
        case "turned": return turned(trace, /** @type {Sheet} */ (this.#sheet), (cells) => this.#picture?.light(new Set(cells), null, []));
        case "batch": return weight ? batch(this.app, trace, weight, (text) => this.#say(text)) : [];
        case "slider": return weight ? slider(this.app, trace, weight) : [];
        case "after": return this.#afterwards(trace, label, answer);
        default: return [];
      }
    };
    this.side.replaceChildren(...show());
  }

  /** @param {string} text */
  #say(text) {
    if (this.#stop.side === "batch" && !this.#pointed && !this.app.place.hold) this.sum.replaceChildren(createElement("p", "mean gradient = ", createElement("b", text)));
  }

  /** Says what the step has changed for the image. @param {Trace} trace @param {number | null} label @param {number[] | null} answer */
  #afterwards(trace, label, answer) {
    const after = this.#shown;
    const last = after.values.get(`${trace.description.layers.at(-1)?.name}.y`)?.data;
    const isSame = answer && last && last.length === answer.length;
    const [before, now] = [trace, after].map(({ values }) => formatNumber(values.get("loss.y")?.data[0] ?? 0));
    this.words.textContent = `With the weights after the step, the loss of this image is ${now}; it was ${before}. Every weight has moved, not only the green one. Training repeats this step with other images, again and again.`;
    const frames = createElement("div");
    if (this.#sheet?.weight) void film(this.app, this.#sheet.weight, frames);
    return [...bars(after, isSame ? Array.from(last) : null, label), frames];
  }

  /** Shows the image and the step of a teacher's stop. @param {Stop} stop */
  #drive({ sample = null, step = null }) {
    if (sample === null && step === null) return;
    this.app.go({ ...(sample === null ? {} : { sample, image: null }), ...(step === null ? {} : { step }) });
  }

  /** @param {string | null} cell @param {boolean} isKept */
  #choose(cell, isKept) {
    const { hold } = this.app.place;
    if (isKept) this.app.go({ hold: hold === cell ? null : cell, stop: this.#number });
    if (hold !== null && !isKept) return;
    this.#pointed = isKept && hold === cell ? null : cell;
    try {
      this.#light();
    } catch (error) {
      this.sum.textContent = errorMessage(error);
    }
  }

  /** @param {number} number */
  #to(number) {
    if (!this.#stops[number - 1]) return;
    this.app.nudge(null);
    this.app.go({ stop: number, hold: null });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    const isPage = event.key.startsWith("Page") && inLectureMode();
    if (event.key === "Escape" && this.app.place.hold && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
      this.app.go({ hold: null });
      event.preventDefault();
      return;
    }
    const isOwn = target === document.body || target.id === "main" || this.element.contains(target) || isPage;
    if (event.defaultPrevented || !isOwn || event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
    if (event.key === " " && !target.matches("button, a, summary")) this.#to(this.#number + 1);
    else {
      const by = { ArrowRight: 1, ArrowLeft: -1, ...(isPage ? { PageDown: 1, PageUp: -1 } : {}) }[event.key];
      if (!by) return;
      this.#to(this.#number + by);
    }
    event.preventDefault();
  }
}
