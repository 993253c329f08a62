/** The lab: one convolution or pooling on typed arrays, forward and backward, with every cell explained. */
import { showBanner } from "../../banner.js";
import { button, createElement } from "../../elements.js";
import { sampleName, sampleNumber, samplePixels } from "../../source/samples.js";
import { address } from "../../state.js";
import { onTheme } from "../../theme.js";
import { errorMessage } from "../../error_message.js";
import { Bench } from "./results.js";
import { controls } from "./controls.js";
import { EXAMPLES } from "./examples.js";
import { filterNamed, kernelOf } from "./filters.js";
import { fromAddress, toAddress } from "./address.js";
import { traceOf } from "./computation.js";
import { Making } from "./making.js";
import { cropped, pixelsOf, withPicture } from "./pictures.js";
import { slides, worked } from "./setting.js";
import { problem, sizes } from "./sizes.js";
import { marksOf } from "./tracking.js";

/**
 * @typedef {import("../../types.js").App} App
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("./results.js").Result} Result
 */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const lab = new Lab(element, app);
  app.listen("place", () => lab.arrive());
  onTheme(() => lab.show());
  lab.arrive();
}

class Lab {
  /** @type {Setting} */
  #now = worked();
  /** @type {Result} */
  #good;
  /** @type {string | null} the lab's part of the address when last read */
  #address = null;
  /** @type {import("../../types.js").Samples | null} */
  #samples = null;

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.#good = resultOf(this.#now, app);
    this.controls = controls((change) => this.change(change));
    this.bench = new Bench({
      change: (change) => this.change(change),
      now: () => this.#now,
      pick: (cell, second) => this.pick(cell, second),
      hover: (cell, second) => this.hover(cell, second),
      say: (words) => this.tell(words),
      restore: () => this.show(),
      picture: () => this.takePicture(),
      sample: (by) => this.stepSample(by),
      crop: () => this.change((now) => ({ ...now, x: cropped(now.x), source: "", dy: null, cell: null })),
    });
    this.trouble = createElement("p", { class: "lab-trouble", role: "alert", hidden: true });
    this.words = createElement("p", { class: "lab-words", role: "status" });
    this.size = createElement("p", { class: "lab-size" });
    this.making = new Making({
      active: () => app.place.view === "lab",
      pick: (cell) => this.change((now) => ({ ...now, cell })),
      hover: (cell) => this.hover(cell, this.#isSecond()),
      href: (cell) => address({ ...app.place, view: "lab", rest: toAddress({ ...this.#now, cell }) }),
    });
    element.classList.add("lab");
    element.append(this.#head(), this.controls.element, this.size, this.trouble, this.bench.element);
    element.append(this.words, this.making.element);
  }

  #head() {
    const select = createElement(
      "select",
      { "aria-label": "Example" },
      createElement("option", { value: "" }, "examples …"),
    );
    EXAMPLES.forEach((example, k) => select.append(createElement("option", { value: k }, example.name)));
    select.addEventListener("change", () => {
      const example = EXAMPLES[Number(select.value)];
      if (select.value !== "" && example) this.#begin(example);
      select.value = "";
    });
    const link = button("copy link", () => this.copyLink(), { title: "a link to the lab with all its values" });
    const words = createElement("p", {}, "Type values, choose how the kernel slides, and click any result to see how it is computed.");
    return createElement("header", { class: "lab-head" }, createElement("h2", {}, "Lab"), words, select, link);
  }

  /** @param {import("./examples.js").Example} example */
  #begin({ setting, filter }) {
    this.change(setting);
    if (filter) this.takePicture(filter);
  }

  /** Reads the setting from the address when the place has changed. */
  async arrive() {
    const { view, rest } = this.app.place;
    if (view !== "lab" || rest === this.#address) return;
    this.#address = rest;
    try {
      if (/!xsample\d/.test(rest)) this.#samples = await this.app.source.samples();
      if (rest !== this.#address) return; // another link was followed in the meantime
      this.#now = fromAddress(rest, (number) => this.#sample(number));
    } catch (error) {
      const why = errorMessage(error);
      showBanner("address", `The link to the lab cannot be read: ${why}. Showing the worked example.`);
      this.#now = worked();
    }
    this.show();
  }

  /** @param {number} number */
  #sample(number) {
    const samples = this.#samples;
    if (!samples || number >= samples.count) return null;
    return pixelsOf(samplePixels(samples, number), this.app.description.input_shape);
  }

  /** @param {(now: Setting) => Setting} change */
  change(change) {
    this.#now = change(this.#now);
    this.tell("");
    this.show();
    this.#keepAddress();
  }

  #keepAddress() {
    this.#address = toAddress(this.#now);
    if (this.app.place.view === "lab") this.app.go({ rest: this.#address });
  }

  /** Shows the setting: controls, sizes, arrays and explanation. */
  show() {
    const why = problem(this.#now);
    if (!why) this.#good = resultOf(this.#now, this.app);
    this.trouble.hidden = !why;
    this.trouble.textContent = why ? `${why} The last valid result is shown.` : "";
    this.controls.follow(this.#now);
    this.size.replaceChildren(
      ...sizes(this.#now).map((size) => {
        const result = why && size.value < 1 ? "none" : String(size.value);
        const symbols = createElement("span", { class: "symbols" }, ...subscripted(` = ${size.symbols}`));
        return createElement("span", {}, createElement("i", {}, size.axis), symbols, ` = ${size.numbers} = `, createElement("b", {}, result));
      }),
    );
    this.bench.show(this.#now, this.#good, Boolean(why));
    this.#explain();
  }

  #explain() {
    const { cell } = this.#now;
    const there = cell !== null && this.making.show(this.#good.trace, cell);
    if (!there) this.making.clear();
    this.bench.mark(marksOf(this.#good.trace, there ? cell : null), this.#isSecond());
  }

  /** Returns whether the explained cell is in the second lane. */
  #isSecond() {
    return this.#good.other !== null && this.#good.setting.kind === "convolution";
  }

  /** @param {string} cell @param {boolean} second */
  pick(cell, second) {
    const isY = /\.y\[/.test(cell);
    this.change((now) => {
      if (!now.beside || !isY || !slides(now.kind)) return { ...now, cell };
      return { ...now, cell, kind: second ? "convolution" : "correlation" };
    });
  }

  /** @param {string | null} cell @param {boolean} second */
  hover(cell, second) {
    const { trace, other } = this.#good;
    if (cell === null) {
      this.bench.mark(marksOf(trace, this.#now.cell), this.#isSecond());
      return;
    }
    const isOther = other !== null && /\.y\[/.test(cell) && second !== this.#isSecond();
    const of = isOther ? other : trace;
    this.bench.mark(marksOf(of, cell), isOther ? second : this.#isSecond());
  }

  /** Uses the page's image as input, with a preset filter or the current kernel. @param {string} [filter] */
  takePicture(filter) {
    const { picture, description } = this.app;
    const x = picture && pixelsOf(picture.x, description.input_shape);
    if (!picture || !x) return this.tell("The page has no image with one to three channels that fits into the lab.");
    this.change((now) => withPicture(now, x, picture.from));
    if (filter) this.change((now) => ({ ...now, w: kernelOf(filterNamed(filter), x.shape[0]), b: [0] }));
  }

  /** Moves to another sample. @param {number} by  1 for the next sample, −1 for the previous one */
  async stepSample(by) {
    this.#samples ??= await this.app.source.samples();
    const { count } = this.#samples;
    const number = ((sampleNumber(this.#now.source) ?? 0) + by + count) % count;
    const x = this.#sample(number);
    if (x) this.change((now) => withPicture(now, x, sampleName(number)));
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.tell("The link is copied; it contains all values of the lab.");
    } catch {
      this.tell("This browser does not allow copying. The link is the address of this page.");
    }
  }

  /** @param {string} words */
  tell(words) {
    this.words.textContent = words;
  }
}

/** Formats names such as p_top with a subscript. @param {string} text @returns {(Node | string)[]} */
function subscripted(text) {
  return text.split(/_(\w+)/).map((part, k) => (k % 2 ? createElement("sub", {}, part) : part));
}

/** @param {Setting} setting @param {App} app @returns {Result} */
function resultOf(setting, { description: { code, derivations, operations } }) {
  const told = { code, derivations, operations };
  const kind = setting.kind === "correlation" ? "convolution" : "correlation";
  const other = setting.beside && slides(setting.kind) ? traceOf({ ...setting, kind }, told) : null;
  return { setting, trace: traceOf(setting, told), other };
}
