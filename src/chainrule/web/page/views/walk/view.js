/**
 * The guided walk through the live network, on the page's image and step. Readers predict an answer, then reveal it.
 */
import { counted } from "../../numbers_brief.js";
import { showBanner } from "../../banner.js";
import { button, createElement } from "../../elements.js";
import { inLectureMode } from "../../lecture_mode.js";
import { sampleName, sampleNumber } from "../../source/samples.js";
import { address } from "../../state.js";
import { onTheme } from "../../theme.js";
import { Live } from "./live.js";
import { ownPage, page } from "./page.js";
import { stopsOf } from "./stops/index.js";

/**
 * @typedef {import("../../types.js").App} App
 * @typedef {import("../../types.js").Place} Place
 * @typedef {import("./stop.js").Stop} Stop
 */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const walk = new Walk(element, app);
  for (const what of /** @type {const} */ (["place", "trace"])) app.listen(what, () => walk.update());
  onTheme(() => walk.repaint());
  walk.update();
}

class Walk {
  /** @type {Stop[]} */
  #stops = [];
  /** @type {import("../../types.js").Trace | null} */
  #trace = null;
  /** Answers given, by the id of the stop. @type {Map<string, string>} */
  #answers = new Map();
  #shown = "";

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    element.classList.add("walk");
    /** The stops of a teacher's walk; empty for the page's own walk. */
    this.own = app.description.walk ?? [];
    const leads = {
      href: (/** @type {string} */ cell) => address({ ...app.place, ...towards({ phase: phaseOf(cell), cell }), rest: "" }),
      follow: (/** @type {string} */ cell) => app.go(towards({ phase: phaseOf(cell), cell })),
    };
    // Outside a computation, arrows lead from stop to stop of the page's own walk; a teacher's stops are played with them.
    this.live = new Live(app, leads, (target) => this.own.length > 0 || inLectureMode() || target.closest(".walk-computation") !== null);
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  update() {
    const { place, trace } = this.app;
    if (place.view !== "walk") return this.live.end();
    if (!trace) return undefined;
    if (trace !== this.#trace) {
      if (!this.#same(trace)) this.#answers.clear();
      this.#trace = trace;
      this.#stops = this.own.length ? [] : stopsOf(trace);
      this.#shown = "";
    }
    const number = this.#number();
    const key = `${number}`;
    if (key === this.#shown) return undefined;
    this.#shown = key;
    this.#render(number);
    return undefined;
  }

  /** Renders again for another theme. */
  repaint() {
    this.#shown = "";
    this.update();
  }

  /** Returns whether a trace has the same values as the previous one. @param {import("../../types.js").Trace} trace */
  #same(trace) {
    return (
      this.#trace?.frame === trace.frame &&
      this.#trace.picture.from === trace.picture.from &&
      trace.picture.from !== "drawn"
    );
  }

  /** Returns the index of the stop named by the address. */
  #number() {
    const { rest } = this.app.place;
    const last = this.#count;
    const number = rest === "" ? 1 : Number(rest);
    const there = Number.isInteger(number) && number >= 1 && number <= last;
    if (!there) {
      showBanner(
        "address",
        `There is no stop “${rest.slice(0, 24)}”; the stops are 1 to ${last}. Showing the first.`,
      );
    }
    return there ? number - 1 : 0;
  }

  /** @param {number} number @param {boolean} [focus] */
  #render(number, focus = false) {
    if (this.own.length) return this.#renderOwn(number, focus);
    const stop = this.#stops[number];
    if (!stop) {
      this.element.replaceChildren(createElement("p", {}, "The walk has no stop for any layer of this network."));
      return undefined;
    }
    const content = page(stop, {
      number,
      count: this.#stops.length,
      layer: this.#about(),
      answered: this.#answers.get(stop.id) ?? null,
      answer: (text) => this.#answer(number, stop, text),
      href: address({ ...this.app.place, ...towards(stop), rest: "" }),
      follow: () => this.app.go(towards(stop)),
    });
    this.#place(content, this.live.show(this.#path(number), this.#answers.has(stop.id)), number, focus);
    return undefined;
  }

  /** Returns the cells of the stops so far in the same direction: forward or backward. @param {number} number */
  #path(number) {
    const turn = this.#stops.findIndex(({ phase }) => phase !== "forward");
    const from = turn >= 0 && number >= turn ? turn : 0;
    return this.#stops.slice(from, number + 1).map(({ cell }) => cell);
  }

  /** Number of stops. */
  get #count() {
    return this.own.length || this.#stops.length;
  }

  /** @param {number} number @param {boolean} focus */
  #renderOwn(number, focus) {
    const stop = this.own[number];
    const { sample, step } = this.app.place;
    this.app.go({ sample: stop.sample ?? sample, step: stop.step ?? step }); // the new trace renders the stop again
    this.#place(ownPage(stop, number, this.own.length), this.live.show(stop.cell ? [stop.cell] : [], true), number, focus);
  }

  /** Places a stop and its live part. @param {HTMLElement} content @param {ReturnType<Live["show"]>} live @param {number} number @param {boolean} focus */
  #place(content, { above, below }, number, focus) {
    this.element.replaceChildren(...above, content, ...below, this.#navigation(number));
    if (!focus) return;
    scrollTo({ top: 0, behavior: "instant" });
    /** @type {HTMLElement | null} */ (this.element.querySelector("h2"))?.focus({ preventScroll: true });
  }

  /** Describes the walk's network and image. */
  #about() {
    const from = this.#trace?.picture.from ?? "";
    const step = this.#trace?.frame.step ?? 0;
    const picture = sampleNumber(from) !== null ? from : `an image (${from})`;
    const trained = this.app.description.from_file
      ? "with the weights of its file"
      : step === 0
        ? "not trained yet: its weights are random, so the values mean little, but they are computed in the same way"
        : `after ${counted(step, "step")} of training`;
    return `${this.app.description.name}, ${trained}; ${picture}`;
  }

  /** @param {number} number @param {Stop} stop @param {string} text */
  #answer(number, stop, text) {
    this.#answers.set(stop.id, text);
    this.#render(number);
    const verdict = /** @type {HTMLElement | null} */ (this.element.querySelector(".reveal"));
    verdict?.focus({ preventScroll: true });
    verdict?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} number */
  #navigation(number) {
    const back = button("← Back", () => this.#to(number - 1), { disabled: number === 0 });
    const next = button("Next →", () => this.#to(number + 1), {
      disabled: number === this.#count - 1,
      class: "next",
    });
    const dots = createElement(
      "ol",
      { class: "dots" },
      ...(this.own.length ? this.own.map(({ title }, k) => ({ title, id: `own ${k}` })) : this.#stops).map((stop, k) => {
        const link = createElement("a", { href: address({ ...this.app.place, rest: String(k + 1) }), title: stop.title });
        link.setAttribute("aria-label", `Stop ${k + 1}: ${stop.title}`);
        if (k === number) link.setAttribute("aria-current", "step");
        if (this.#answers.has(stop.id)) link.classList.add("answered");
        link.addEventListener("click", (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          this.#to(k);
        });
        return createElement("li", {}, link);
      }),
    );
    return createElement("nav", { class: "walk-navigation", "aria-label": "Stops" }, back, dots, next, this.#pictures());
  }

  /** Creates the choice of another sample for the same stop. */
  #pictures() {
    const { sample } = this.app.place;
    const to = (/** @type {number} */ number) => () => this.app.go({ sample: number });
    const words = sample === null ? (this.app.picture?.from ?? "") : sampleName(sample);
    const before = button("‹", to((sample ?? 1) - 1), {
      "aria-label": "Previous sample",
      disabled: (sample ?? 0) === 0 && sample !== null,
    });
    const after = button("›", to((sample ?? -1) + 1), { "aria-label": "Next sample" });
    return createElement("div", { class: "walk-pictures" }, createElement("span", {}, words), before, after);
  }

  /** @param {number} number */
  #to(number) {
    if (number < 0 || number >= this.#count) return;
    this.app.go({ rest: String(number + 1) });
    this.#shown = String(number);
    this.#render(number, true);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    const nowhere = target === document.body || target.id === "main";
    if (event.defaultPrevented || this.app.place.view !== "walk" || !(nowhere || this.element.contains(target))) return;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input")) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.#to(this.#number() + step);
  }
}

/**
 * Returns the place where a stop's value is computed. The walk follows one image, so updates are for this image alone.
 * @param {{phase: import("../../types.js").Phase, cell: string}} stop @returns {Partial<Place>}
 */
function towards({ phase, cell }) {
  return { view: "network", phase, cell, alone: phase === "update" };
}

/** Returns the phase to which a cell belongs. @param {string} cell @returns {import("../../types.js").Phase} */
function phaseOf(cell) {
  const rest = cell.replace(/\[.*$/u, "").split(".").slice(1).join(".") || cell;
  if (/(?:update|^m|^v|\.m|\.v|\.g)$/u.test(rest)) return "update";
  return rest.startsWith("d") ? "backward" : "forward";
}
