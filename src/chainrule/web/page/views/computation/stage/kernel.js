import { operations } from "../../../engine/operations.js";
import { largestMagnitude } from "../../../engine/tensor.js";
import { parted, placeOf } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { button, createElement } from "../../../elements.js";
import { mapCanvas } from "../../../figures/map.js";
import { signed } from "../../../style/scale.js";
import { fold } from "../fold.js";

/**
 * Another kernel for one channel of a convolution: its weights as fields, and the whole map that it produces.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 * @typedef {import("../../../types.js").NDArray} NDArray
 * @typedef {import("../../../types.js").Trace} Trace
 */

const MAX_SIDE = 7; // rows and columns of a kernel
const SIDE = 168; // pixels of a map

/** Kernels by name: the weight at a distance from the center. @type {Record<string, (down: number, right: number, count: number) => number>} */
const KERNELS = {
  "Vertical edges": (_, right) => Math.sign(right),
  "Horizontal edges": (down) => Math.sign(down),
  Average: (_down, _right, count) => 1 / count,
};

/** Returns a fold with the fields, or nothing if the value is not one of a convolution. @param {Trace} trace @param {Explanation} explanation */
export function kernelFold(trace, { tensor, cell, terms, value }) {
  const { plan } = trace.description;
  const convolution = plan.forward.find(({ name, writes }) => name === "cross_correlate" && writes[0].storage === tensor);
  const shape = convolution?.reads[1]?.shape.slice(2) ?? [];
  if (!convolution || convolution.attributes.groups > 1 || Math.max(...shape) > MAX_SIDE) return [];
  const products = terms.filter(({ factors }) => factors.length === 2);
  const strongest = products[largestMagnitude(products.map((product) => product.value))];
  const weight = strongest?.factors[1].cell;
  if (!weight) return [];
  const [filter, channel] = parted(weight).index;
  return [fold("Try another kernel", "computation-fold computation-kernel", () => [content(trace, convolution, { filter, channel, cell, value })])];
}

/**
 * @param {Trace} trace @param {import("../../../types.js").Operation} convolution
 * @param {{filter: number, channel: number, cell: string, value: number}} selected
 */
function content(trace, { reads, attributes }, { filter, channel, cell, value }) {
  const arrayOf = (/** @type {import("../../../types.js").Tensor} */ { shape, storage }) => ({ shape, data: trace.values.get(storage)?.data ?? new Float64Array() });
  const [x, w, b] = reads.map((tensor) => tensor && arrayOf(tensor));
  if (!x || !w) return createElement("p");
  const input = { ...x, shape: [1, ...x.shape] };
  const [own, bias] = [filterOf(w, filter), b && filterOf(b, filter)];
  const [KH, KW] = w.shape.slice(2);
  const kernel = own.data.subarray(channel * KH * KW, (channel + 1) * KH * KW);
  const weights = kernel.slice();
  const run = () => {
    const [{ shape: [, , rows, columns], data }] = operations.cross_correlate([input, own, bias], attributes);
    return { rows, columns, values: data };
  };
  const before = mapCanvas(run(), signed(run().values), SIDE);
  const after = createElement("span");
  const at = placeOf(trace, cell)?.flat ?? 0;
  const total = createElement("output.number.computation-so-far");
  const fields = Array.from(weights, (_, at) => createElement("input", { type: "number", step: "any", "aria-label": `weight ${Math.floor(at / KW)}, ${at % KW}` }));
  const update = () => {
    const map = run();
    after.replaceChildren(mapCanvas(map, signed(map.values), SIDE));
    total.textContent = `${cell} = ${formatNumber(map.values[at % map.values.length])} (in the network ${formatNumber(value)})`;
  };
  const set = (/** @type {(at: number) => number} */ of) => {
    fields.forEach((field, at) => {
      kernel[at] = of(at);
      field.value = String(Number(kernel[at].toPrecision(3)));
    });
    update();
  };
  fields.forEach((field, at) => field.addEventListener("input", () => {
    kernel[at] = field.valueAsNumber || 0;
    update();
  }));
  const named = Object.entries(KERNELS).map(([name, of]) =>
    button(name, () => set((at) => of(Math.floor(at / KW) - (KH - 1) / 2, (at % KW) - (KW - 1) / 2, KH * KW))));
  set((at) => weights[at]);
  const grid = createElement("div.computation-weights", { "--columns": KW }, ...fields);
  const figures = [["the network’s map", before], ["with this kernel", after]].map(([caption, map]) => createElement("figure", map, createElement("figcaption", caption)));
  const about = `The kernel of filter ${filter} for channel ${channel}. The other channels and the bias keep their weights.`;
  return createElement("div", createElement("p", about), createElement("div.computation-trial", grid, ...figures),
    createElement("p", ...named, button("Reset", () => set((at) => weights[at]))), createElement("p", total));
}

/** Returns the parameters of one filter, as those of a convolution with a single filter. @param {NDArray} parameters @param {number} filter @returns {NDArray} */
function filterOf({ shape: [count, ...shape], data }, filter) {
  const size = data.length / count;
  return { shape: [1, ...shape], data: data.slice(filter * size, (filter + 1) * size) };
}
