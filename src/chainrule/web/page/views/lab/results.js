/** The arrays of the lab in two rows: the forward pass as an equation, and the gradients computed from dy. */
import { grey, signed } from "../../style/scale.js";
import { createElement } from "../../elements.js";
import { compared, rotated } from "./comparison.js";
import { arrayOf } from "./editing.js";
import { slides } from "./setting.js";
import { blocksOf } from "./blocks.js";
import { layerOf } from "./computation.js";
import { divisors } from "./divisors.js";

/**
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../figures/plane.js").Mark} Mark
 * @typedef {{setting: Setting, trace: Trace, other: Trace | null}} Result
 * other: if correlation and convolution are both shown, the trace of the one that the setting does not select
 */

const DW = "at each position of the kernel, dy times the input under the weight, summed";
const DB = "the bias is added at every position: the sum of dy";
/** @type {Record<string, string>} */
const DX = {
  max: "dy goes to the maximum of each window; the other cells get 0",
  average: "dy/D goes to every cell of the window",
  sum: "dy goes to every cell of the window",
};

/** Returns how the two results differ; "" if there is only one. @param {Result} result */
function comparison({ setting, trace, other }) {
  const name = `${layerOf(setting)}.y`;
  const [one, two] = [trace.values.get(name), other?.values.get(name)];
  return one && two ? compared(one.data, two.data) : "";
}

export class Bench {
  /** @param {import("./blocks.js").Actions} actions */
  constructor(actions) {
    const made = blocksOf(actions);
    this.blocks = made.blocks;
    this.follow = made.follow;
    const { x, w, turned, b, y, otherY, counts, dy, dw, dx, db } = this.blocks;
    const sign = (/** @type {string} */ name, /** @type {string} */ text) => {
      return createElement("span", { class: `sign ${name}`, "aria-hidden": "true" }, text);
    };
    this.signs = {
      star: sign("star", "⋆"),
      second: sign("star", "⋆"),
      plus: sign("plus", "+"),
      arrow: sign("to", "→"),
    };
    this.first = createElement("div", { class: "lane" }, this.signs.star, w.element, this.signs.plus, b.element);
    this.first.append(sign("equals", "="), y.element, counts.element);
    this.second = createElement("div", { class: "lane second" }, this.signs.second, turned.element);
    this.second.append(sign("equals", "="), otherY.element);
    this.both = createElement("p", { class: "lab-both" });
    const lanes = createElement("div", { class: "lanes" }, this.first, this.second, this.both);
    const forward = createElement("div", { class: "lab-row forward" }, x.element, lanes);
    const backward = createElement("div", { class: "lab-row backward" }, dy.element, this.signs.arrow);
    backward.append(dw.element, dx.element, db.element);
    this.element = createElement("div", { class: "bench-rows" });
    this.element.append(createElement("h2", {}, "Forward"), forward, createElement("h2", {}, "Backward"), backward);
  }

  /**
   * @param {Setting} now  the setting in the fields
   * @param {Result} good  the last setting that had a result; it is `now` unless `stale`
   * @param {boolean} stale
   */
  show(now, good, stale) {
    const { x, dy } = this.blocks;
    const convolves = slides(now.kind);
    const picture = now.source !== "";
    const from = picture ? `pixels of ${now.source}, 0 to 255` : "";
    x.show("x", now.x, picture ? grey(now.x.data) : signed(now.x.data), { note: from, editable: !picture });
    this.#kernels(now, convolves);
    this.#results(good, picture);
    this.both.textContent = comparison(good);
    const upstream = arrayOf(good.setting, "dy");
    dy.show(`${layerOf(good.setting)}.dy`, upstream, signed(upstream.data), {
      note: now.dy ? "" : "a pattern of small values: with all ones, many gradients would be equal",
    });
    this.follow(now);
    this.element.classList.toggle("stale", stale);
    for (const block of [dy, this.blocks.y, this.blocks.otherY, this.blocks.dw, this.blocks.dx, this.blocks.db]) {
      block.element.inert = stale;
    }
  }

  /** @param {Setting} now @param {boolean} convolves */
  #kernels(now, convolves) {
    const { w, b, turned, otherY } = this.blocks;
    const flips = convolves && (now.kind === "convolution" || now.beside);
    for (const [part, on] of /** @type {[HTMLElement, boolean][]} */ ([
      [w.element, convolves],
      [b.element, convolves],
      [turned.element, flips],
      [this.signs.star, convolves],
      [this.signs.plus, convolves],
      [this.second, convolves && now.beside],
      [otherY.element, now.beside],
    ]))
      part.hidden = !on;
    if (flips) this.#placeTurned(now.beside);
    if (!convolves) return;
    w.show("conv1.w", now.w, signed(now.w.data));
    b.show("conv1.b", arrayOf(now, "b"), signed(now.b));
    if (flips) turned.show("turned", rotated(now.w), signed(now.w.data), { editable: false });
  }

  /** Places the rotated kernel beside the kernel, or in the lane of the convolution. @param {boolean} beside */
  #placeTurned(beside) {
    const { turned, w } = this.blocks;
    if (beside) this.signs.second.after(turned.element);
    else w.element.after(turned.element);
  }

  /** @param {Result} good @param {boolean} picture */
  #results({ setting, trace, other }, picture) {
    const { y, otherY, counts, dw, dx, db } = this.blocks;
    const layer = layerOf(setting);
    const convolves = slides(setting.kind);
    const [shown, second] = other && setting.kind === "convolution" ? [other, trace] : [trace, other];
    const scale = (/** @type {ArrayLike<number>} */ values) =>
      picture && !Array.from(values).some((each) => each < 0) ? grey(values) : signed(values);
    const value = (/** @type {Trace} */ of, /** @type {string} */ name) => {
      const array = of.values.get(name);
      if (!array) throw new Error(`the lab’s trace has no ${name}`);
      return array;
    };
    const result = value(shown, `${layer}.y`);
    y.show(`${layer}.y`, result, scale(result.data), { title: second ? "y, correlation" : "y" });
    if (second) {
      const flipped = value(second, `${layer}.y`);
      otherY.show(`${layer}.y`, flipped, scale(flipped.data));
    }
    counts.element.hidden = setting.kind !== "average" || setting.divisor === "window";
    if (!counts.element.hidden) counts.show("D", divisors(setting), signed([]), { editable: false });
    for (const [block, name, note] of /** @type {const} */ ([
      [dw, "dw", DW],
      [db, "db", DB],
    ])) {
      block.element.hidden = !convolves;
      if (!convolves) continue;
      const gradient = value(trace, `${layer}.${name}`);
      block.show(`${layer}.${name}`, gradient, signed(gradient.data), { note });
    }
    const back = value(trace, "dx");
    const note = DX[setting.kind] ?? "over all outputs that use this input: dy times the weight, summed";
    dx.show("dx", back, signed(back.data), { note });
  }

  /**
   * @param {Map<string, Mark>} marks
   * @param {boolean} second  whether they belong to the second lane
   */
  mark(marks, second) {
    const { turned, otherY, y, ...others } = this.blocks;
    for (const block of Object.values(others)) block.mark(marks);
    y.mark(second ? new Map() : marks);
    otherY.mark(second ? marks : new Map());
    turned.mark(new Map());
  }
}
