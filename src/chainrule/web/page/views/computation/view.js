import { explain } from "../../explain/index.js";
import { phaseOf } from "../../explain/naming.js";
import { address } from "../../state.js";
import { onTheme } from "../../theme.js";
import { createElement } from "../../elements.js";
import { errorMessage } from "../../error_message.js";
import { AWAITED, awaitsStep } from "../../update_availability.js";
import { lightLetters } from "./letters.js";
import { Panel } from "./panel.js";
import { onOperandResize } from "./operand_size.js";

/**
 * The panel that shows how the selected cell is computed.
 *
 * @typedef {import("../../types.js").App} App
 * @typedef {import("../../types.js").Place} Place
 * @typedef {import("../../types.js").Trace} Trace
 */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const view = new View(element, app);
  app.listen("place", () => view.update());
  app.listen("trace", () => view.update());
  onTheme(() => view.repaint());
  onOperandResize(() => view.repaint());
  view.update();
}

class View {
  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.live = createElement("p.unseen");
    this.live.setAttribute("role", "status");
    this.followed = false;
    /** @type {Panel | null} */
    this.panel = null;
    this.scheduled = 0;
    lightLetters(element);
    this.byKey = false; // whether the reader used the keyboard last
    addEventListener("keydown", () => (this.byKey = true), true);
    addEventListener("pointerdown", () => (this.byKey = false), true);
    this.before = 0; // scroll position when the panel was opened
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.panel || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.close();
    });
  }

  /** Renders at most once per frame, however often the trace changes. */
  update() {
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      this.#render();
    });
  }

  /** Renders again after a change of theme, since the elements contain colors. */
  repaint() {
    if (this.panel) this.panel.trace = null;
    this.update();
  }

  #render() {
    const { cell } = this.app.place;
    const { trace } = this.app;
    if (!cell || !trace) return this.#clear();
    if (this.panel?.cell !== cell && awaitsStep(this.app)) return this.#wait();
    if (this.panel?.cell === cell && this.panel.trace === trace) return undefined;
    const moved = this.panel?.cell !== cell;
    const opens = this.panel === null;
    if (opens) this.before = scrollY;
    try {
      const explanation = explain(trace, cell);
      const context = this.#context(explanation, trace);
      this.#replace(cell, new Panel(context, () => this.close()));
      if (moved && (this.followed || this.byKey)) this.panel?.focus();
      if (moved) this.panel?.reveal();
    } catch (problem) {
      this.#complain(cell, problem);
    }
    this.followed = false;
    return undefined;
  }

  /** Replaces the panel. If it shows the same cell, the focus stays at the same control. @param {string} cell @param {Panel} panel */
  #replace(cell, panel) {
    const focus = /** @type {HTMLElement} */ (document.activeElement);
    const at = this.panel?.cell === cell ? focusable(this.element).indexOf(focus) : -1;
    this.panel = panel;
    panel.cell = cell;
    this.element.replaceChildren(panel.element, this.live);
    if (at >= 0) successor(focusable(this.element), focus, at)?.focus({ preventScroll: true });
  }

  /** @param {import("../../types.js").Explanation} explanation @param {import("../../types.js").Trace} trace */
  #context(explanation, trace) {
    const { app } = this;
    return {
      explanation,
      trace,
      follow: (/** @type {string} */ cell) => this.#follow(cell),
      href: (/** @type {string} */ cell) => address({ ...app.place, ...cellAndPhase(cell) }),
      question: (/** @type {string} */ why) => address({ ...app.place, why, phase: "backward", cell: null, stop: null }),
    };
  }

  /** @param {string | undefined} cell */
  #follow(cell) {
    if (!cell) return;
    this.followed = true;
    this.app.go(cellAndPhase(cell));
  }

  close() {
    this.app.go({ cell: null });
  }

  #wait() {
    this.live.textContent = AWAITED;
    if (!this.panel) this.element.replaceChildren(createElement("p.computation-trouble", AWAITED));
  }

  #clear() {
    if (!this.panel) return this.element.replaceChildren();
    this.panel = null;
    this.element.replaceChildren();
    scrollTo({ top: this.before, behavior: "instant" });
    return undefined;
  }

  /** @param {string} cell @param {unknown} problem */
  #complain(cell, problem) {
    this.panel = null;
    const words = errorMessage(problem);
    this.element.replaceChildren(createElement("p.computation-trouble", `${cell} cannot be explained: ${words}`));
    if (!(problem instanceof Error) || problem instanceof TypeError) reportError(problem);
  }
}

/** @param {HTMLElement} element @returns {HTMLElement[]} */
function focusable(element) {
  return [...element.querySelectorAll("a[href], button, input, summary, [tabindex]")].filter(
    (control) => control instanceof HTMLElement,
  );
}

/**
 * Returns the control that replaces another one: the nearest with the same text, or else the one at the same index.
 * @param {HTMLElement[]} controls @param {HTMLElement} before @param {number} at  its index
 */
function successor(controls, before, at) {
  const same = controls.flatMap(({ className, textContent }, n) =>
    className === before.className && textContent === before.textContent ? [n] : [],
  );
  return controls[same.sort((a, b) => Math.abs(a - at) - Math.abs(b - at))[0] ?? at];
}

/** Returns a cell and its phase. @param {string} cell @returns {Partial<Place>} */
function cellAndPhase(cell) {
  const phase = phaseOf(cell);
  return phase ? { cell, phase } : { cell };
}
