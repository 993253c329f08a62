/**
 * The text beside the network: why a weight changed, or a stop of the walk through the network. It determines what is
 * highlighted in the network.
 */

import { button, createElement } from "../../elements.js";
import { gradientName, isCoupled } from "../../engine/interpreter.js";
import { largestMagnitude, ravel, unravel, zeros } from "../../engine/tensor.js";
import { named, parted, valueOf } from "../../explain/naming.js";
import { pathsByPart, strongestPaths } from "../../explain/paths.js";
import { inLectureMode } from "../../lecture_mode.js";
import { onTheme } from "../../theme.js";
import { ownStops } from "./own.js";
import { questionOf } from "./question.js";
import { stopsOf } from "./stops.js";
import { stopElement } from "./stop.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("./stops.js").Stop} Stop */

const CANDIDATES = 30; // strongest paths of either sign
const PATHS = 5;
const HEADER = 48; // pixels
const LOOKING = "Looking for a weight that changed …";
const WIDE = matchMedia("(min-width: 1280px)"); // the causes are below the network

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const story = new Story(element, app);
  for (const what of /** @type {const} */ (["place", "trace"])) app.listen(what, () => story.update());
  onTheme(() => story.repaint());
  WIDE.addEventListener("change", () => story.placeCauses());
  document.addEventListener("keydown", (event) => story.key(event));
  story.update();
}

class Story {
  /** @type {Stop[] | null}  null until they are needed */
  #stops = null;
  /** @type {Trace | null} */
  #trace = null;
  #shown = "";
  /** @type {{trace: Trace, weight: string, paths: import("../../explain/paths.js").Path[], layer: string, isMaps: boolean} | null}  layer: whose maps or outputs the paths stand for */
  #paths = null;
  /** @type {{key: string, values: number[]} | null}  see `#contributionsTo` */
  #contributions = null;
  /** @type {{why: string, step: number | null, image: number | null} | null}  the place of the last question */
  #asked = null;
  /** @type {{frame: import("../../types.js").Frame, x: import("../../types.js").Picture["x"], weight: string} | null}  the weight of the walk without a question */
  #first = null;

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    this.body = createElement("div.story-body", createElement("p.story-meta", LOOKING));
    this.causes = createElement("section.story-causes", { "aria-label": "Why the weight changed" });
    this.ask = button("Why?", () => this.#ask(), { title: "Why did this weight change?" });
    this.back = button("‹", () => this.#to((app.place.stop ?? 1) - 1), { "aria-label": "Previous stop" });
    this.start = button("Walk through the network", () => this.#to(1), { class: "story-start", title: "The first stop (space)" });
    this.next = button("›", () => this.#to((app.place.stop ?? 0) + 1), { "aria-label": "Next stop" });
    this.where = createElement("span.story-meta");
    const name = "Walk through the network";
    this.controls = createElement("nav.story-controls", { "aria-label": name }, this.ask, this.start, this.back, this.next, this.where);
    element.append(this.body, this.controls);
  }

  update() {
    const { place, trace } = this.app;
    this.element.dataset.phase = place.phase;
    if (!trace || (place.why && !trace.batch && !this.app.alone)) return;
    if (trace !== this.#trace) {
      this.#trace = trace;
      this.#stops = null;
      this.#shown = "";
    }
    if (place.why && trace.batch) {
      if (place.why !== this.#asked?.why) this.#stops = null; // they lead to this weight
      this.#asked = { why: place.why, step: trace.batch.step, image: place.image };
    }
    const key = `${place.why} ${place.stop}`;
    if (key === this.#shown) return;
    this.#shown = key;
    this.#render(trace);
  }

  /** Renders again, for another theme. */
  repaint() {
    this.#shown = "";
    this.update();
  }

  /** The stops of the teacher's walk, or of the one to the weight of the last question. */
  get stops() {
    const { walk } = this.app.description;
    this.#stops ??= walk?.length ? ownStops(walk) : this.#trace ? stopsOf(this.#trace, this.#pathsOf(this.#trace)[0] ?? null, this.app.picture?.label ?? null) : [];
    return this.#stops;
  }

  /** The shown stop; null if there is none. */
  get stop() {
    const { stop } = this.app.place;
    return stop === null ? null : (this.stops[Math.max(1, Math.min(this.stops.length, stop)) - 1] ?? null);
  }

  /** @param {Trace} trace */
  #render(trace) {
    const { stop, app } = this;
    const { why } = app.place;
    this.#controls();
    this.element.classList.toggle("idle", !stop && !why);
    this.element.classList.toggle("stop", Boolean(stop));
    this.causes.replaceChildren();
    if (stop) {
      this.body.replaceChildren(...stopElement(app, trace, stop, app.place.stop ?? 1, this.stops.length));
      if (stop === this.stops[0] && !app.description.walk?.length) this.body.append(this.#plan());
      this.#drive(stop);
    } else if (why && trace.batch) {
      const follow = () => this.#to(this.stops.findIndex(({ phase }) => phase === "backward") + 1);
      const { question, causes } = questionOf(app, trace, why, follow, this.#contributionsTo(trace, why));
      this.body.replaceChildren(...question);
      this.causes.append(...causes);
    } else this.body.replaceChildren(...this.#introduction());
    this.placeCauses();
    app.point({ cell: stop?.cell ?? why, layer: stop?.layer ?? null, paths: [] });
    if (stop ? stop.phase === "backward" : why) setTimeout(() => void this.#point(trace), 0);
  }

  /**
   * Returns what the images of a batch whose samples depend on each other contribute to a weight's gradient. Returns null if
   * they are independent, or until it is known; the question is then shown again.
   * @param {Trace} trace @param {string} why
   */
  #contributionsTo({ batch, description }, why) {
    if (!batch || !isCoupled(description)) return null;
    const key = `${batch.step} ${why}`;
    if (this.#contributions?.key === key) return this.#contributions.values;
    const { tensor, index } = parted(why);
    const show = (/** @type {number[][]} */ [values]) => {
      this.#contributions = { key, values };
      if (this.app.place.why === why) this.repaint();
    };
    this.app.source.contributions(batch.step, tensor, [ravel(index, description.shapes[tensor])]).then(show, () => undefined);
    return null;
  }

  /** Places the causes below the network, but before it for the Tab key; in narrow windows below the question. */
  placeCauses() {
    const { causes } = this;
    const count = causes.querySelectorAll(".story-cause:not(.image)").length;
    causes.style.setProperty("--causes", String(count));
    if (!count) causes.remove();
    else if (WIDE.matches) document.querySelector(".bench-network")?.prepend(causes);
    else this.body.append(causes);
  }

  /** Highlights the strongest paths in the direction of the weight's gradient, once the page is painted. @param {Trace} trace */
  async #point(trace) {
    const place = this.#shown;
    if (trace !== this.#trace) return;
    const paths = this.#pathsOf(trace);
    for (const { links } of paths) if (links.length) await new Promise((resume) => setTimeout(resume)); // computed one by one
    if (trace !== this.#trace || place !== this.#shown) return;
    const gradient = valueOf(trace, this.#paths?.weight ?? "");
    if (!paths.length || !gradient) return;
    this.app.point({ paths });
    const { stop } = this;
    if (stop && stop !== this.stops.find(({ phase }) => phase === "backward")) return; // the first one has explained the lines
    const share = Math.round((100 * paths.reduce((sum, { value }) => sum + value, 0)) / gradient);
    const { layer, isMaps } = this.#paths ?? {};
    const [where, one] = isMaps ? ["pass through the maps", "map"] : ["start at the outputs", "output"];
    const effect = `by which the error of the shown image ${gradient < 0 ? "raises" : "lowers"} the weight`;
    const lines = layer ? `${where} of ${layer} ${effect} most. Each stands for all ways through its ${one}.` : `are the strongest ways ${effect}.`;
    const others = share === 100 ? "" : share > 100 ? `; the other ${layer ? one : "way"}s pull the other way, ${100 - share}\u00a0%` : `, the other ${layer ? one : "way"}s ${100 - share}\u00a0%`;
    const words = `The lines in the network ${lines} Together they carry ${share}\u00a0% of its gradient${others.replace("-", "−")}.`;
    this.body.querySelector(".story-key")?.remove();
    this.body.append(createElement("p.story-meta.story-key", words));
  }

  /** Returns the strongest paths to the gradient of the last question's weight, or of a weight with a large one. @param {Trace} trace */
  #pathsOf(trace) {
    if (this.#first?.frame !== trace.frame || this.#first.x !== trace.picture.x) {
      this.#first = { frame: trace.frame, x: trace.picture.x, weight: largestChange(trace) };
    }
    const weight = gradientOf(this.#asked?.why ?? this.#first.weight);
    if (this.#paths?.weight !== weight || this.#paths.trace !== trace) {
      const all = () => pathsByPart(trace, weight) ?? { paths: pathsAlong(trace, weight), layer: "", isMaps: false };
      this.#paths = { trace, weight, ...(valueOf(trace, weight) === null ? { paths: [], layer: "", isMaps: false } : all()) };
    }
    return this.#paths.paths;
  }

  /** Shows the phase of a stop; a teacher's stop also sets the cell, the image and the step. @param {Stop} stop */
  #drive({ phase, opened, sample = null, step = null }) {
    const { app } = this;
    if (opened === undefined) app.go({ phase });
    else app.go({ phase, cell: opened, ...(sample === null ? {} : { sample, image: null }), ...(step === null ? {} : { step }) });
  }

  #introduction() {
    const { alone } = this.app;
    const words = alone
      ? `The training step cannot be shown: ${alone}.`
      : "Click any number in the network to see how it is computed, or follow the image forward and the error back.";
    return [createElement("h2", this.app.description.name), createElement("p", words)];
  }

  /** Creates the list of the stops that follow. */
  #plan() {
    const stops = this.stops.slice(1).map(({ title }, at) => createElement("li", button(title, () => this.#to(at + 2), { class: "link story-cell" })));
    return createElement("section.story-plan", createElement("p.story-meta", "The stops that follow:"), createElement("ol", { start: 2 }, ...stops));
  }

  #controls() {
    const { stop, why } = this.app.place;
    const count = stop === null ? Infinity : this.stops.length;
    this.ask.hidden = !this.#asked || why !== null;
    this.back.disabled = stop === null || stop <= 1;
    this.next.disabled = stop !== null && stop >= count;
    this.where.textContent = stop === null ? "" : `${stop} of ${count}`;
    this.start.hidden = stop !== null || Boolean(this.app.description.walk?.length);
  }

  #ask() {
    this.app.go({ ...this.#asked, sample: null, stop: null, phase: "backward", cell: null, alone: false });
  }

  /** @param {number} number */
  #to(number) {
    const stop = this.stops[number - 1];
    if (!stop) return;
    this.app.go({ stop: number, phase: stop.phase, cell: null });
    if (this.body.getBoundingClientRect().top < HEADER) scrollTo({ top: 0, behavior: "instant" }); // the last stop was longer
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    const { stop, cell } = this.app.place;
    const isPage = event.key.startsWith("Page");
    const isTurning = isPage && (inLectureMode() || this.stop?.opened !== undefined); // with a presenter's remote control
    const own = target === document.body || target.id === "main" || this.element.contains(target) || isTurning;
    if (event.defaultPrevented || !own || event.ctrlKey || event.metaKey || event.altKey) return;
    if (cell && target === document.body && !isPage) return; // keys of the panel
    const by = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (stop !== null && by) this.#to(stop + by);
    else if (event.key === " " && !target.matches("button, a, summary, input")) this.#to((stop ?? 0) + 1);
    else return;
    event.preventDefault();
  }
}

/** Returns the gradient of an element of a parameter. @param {string} cell */
function gradientOf(cell) {
  if (!cell) return "";
  const bracket = cell.indexOf("[");
  return gradientName(cell.slice(0, bracket)) + cell.slice(bracket);
}

/** Returns the weight of the first layer that the step changes most or, without a step, that with the largest gradient; "" without weights. @param {Trace} trace */
function largestChange({ description: { plan }, values }) {
  const weights = plan.forward.map(({ reads }) => reads[1]).find((tensor) => tensor?.kind === "parameter" && values.has(gradientName(tensor.storage)));
  if (!weights) return "";
  const [{ data, shape }, after, gradient] = [weights.storage, `${weights.storage}.update`, gradientName(weights.storage)].map((name) => values.get(name) ?? zeros([0]));
  const changes = after.data.length ? Array.from(after.data, (value, at) => value - data[at]) : gradient.data;
  return named(weights.storage, unravel(largestMagnitude(changes), shape));
}

/** Returns the strongest paths that have the sign of the gradient. @param {Trace} trace @param {string} gradient */
function pathsAlong(trace, gradient) {
  const sign = Math.sign(valueOf(trace, gradient) ?? 0);
  return strongestPaths(trace, gradient, CANDIDATES).filter(({ value }) => Math.sign(value) === sign).slice(0, PATHS);
}
