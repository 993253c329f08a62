/** The pictures beside the words of a stop: the answer, the turned kernel, the loss along a weight, the batch, and the film. */

import { button, createElement } from "../../elements.js";
import { sizeOf } from "../../engine/tensor.js";
import { classOf, makeTrace } from "../../engine/trace.js";
import { explain } from "../../explain/index.js";
import { gradientOf } from "../../explain/sheet.js";
import { named, parted, placeOf, valueOf } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";
import { paint } from "../../figures/cell_colors.js";
import { lossSlider } from "../../figures/loss_slider.js";
import { mapCanvas } from "../../figures/map.js";
import { pictureCanvas } from "../../figures/picture.js";
import { percent, whole } from "../../numbers_brief.js";
import { batchPicture, labelName } from "../../source/samples.js";
import { signed } from "../../style/scale.js";
import { turnedPixel } from "./stops.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/sheet.js").Sheet} Sheet */

const MOST_BARS = 4;
const IMAGES = 12; // of the batch
const MOVABLE = 5_000_000; // most products of a forward pass where a slider is shown
const FILM = [0, 10, 30, 100, 300, 1000]; // steps
const FRAME = 44; // pixels of a kernel in the film
const LINE = "In one dimension: a kernel (a, b, c) gives y₀ = a·x₀ + b·x₁ + c·x₂, y₁ = a·x₁ + b·x₂ + c·x₃ and y₂ = a·x₂ + b·x₃ + c·x₄. The outputs y₀, y₁, y₂ used x₂ with the weights c, b, a.";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Shows an image and the probabilities of the likely classes, with the right one. @param {Trace} trace @param {number[] | null} answer @param {number | null} label */
export function bars({ description, picture }, answer, label) {
  const image = createElement("div.sheet-image", pictureCanvas(picture.x, description.input_shape));
  const isClass = answer !== null && description.classes.length > 1 && description.measure !== "mean_absolute_error";
  if (!isClass) return [image];
  const order = description.classes.map((_, k) => k).sort((a, b) => answer[b] - answer[a]);
  const shown = new Set([...order.slice(0, MOST_BARS), ...(label === null ? [] : [label])]);
  const rows = [...shown].sort((a, b) => a - b).map((k) => {
    const bar = createElement("i", { "--share": answer[k] });
    const words = `${percent(answer[k])}${k === label ? " ← right" : k === classOf(answer, description) ? " ← the network" : ""}`;
    return createElement("li", createElement("b", labelName(description, k) || String(k)), bar, createElement("span", words));
  });
  return [image, createElement("ul.sheet-bars", ...rows)];
}

/** Shows the gradients around a number, the weights that they used, and the kernel. @param {Trace} trace @param {Sheet} sheet @param {(cells: string[]) => void} light */
export function turned(trace, sheet, light) {
  const pixel = turnedPixel(trace, sheet);
  if (pixel === null) return [];
  const filter = parted(sheet.weight ?? "").index[0];
  const { terms } = explain(trace, gradientOf(pixel));
  const used = terms.flatMap(({ factors }) => {
    const [dy, w] = ["dy", "w"].map((name) => factors.find((factor) => factor.name === name)?.cell);
    return dy && w && parted(w).index[0] === filter ? [{ dy, w }] : [];
  });
  const [kernel] = sheet.columns.filter(({ role, blocks }) => role === "weights" && blocks.some(({ grids }) => grids.some(({ cells }) => cells.includes(sheet.weight)))).flatMap(({ blocks }) => blocks.flatMap(({ grids }) => grids.filter(({ cells }) => cells.includes(sheet.weight))));
  const letterOf = (/** @type {string} */ cell) => LETTERS[kernel.cells.indexOf(cell)] ?? "";
  const sorted = [...used].sort((a, b) => parted(a.dy).index.reduce((order, at, axis) => order || at - parted(b.dy).index[axis], 0));
  const columns = new Set(sorted.map(({ dy }) => parted(dy).index.at(-1))).size;
  const [slopes, weights] = [sorted.map(({ dy }) => dy), sorted.map(({ w }) => w)].map((cells) => signed(cells.map((cell) => valueOf(trace, cell) ?? 0)));
  const cell = (/** @type {string} */ name, /** @type {import("../../style/scale.js").Scale} */ scale, /** @type {string} */ letter, /** @type {string[]} */ lit) => {
    const value = valueOf(trace, name) ?? 0;
    const element = createElement("span.sheet-small", { tabindex: 0, "aria-label": `${name}: ${formatNumber(value)}` }, createElement("b", letter), formatNumber(value, 2));
    paint(element, scale, value);
    for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => light(lit));
    return element;
  };
  const table = (/** @type {string} */ title, /** @type {number} */ across, /** @type {HTMLElement[]} */ cells) => createElement("figure", createElement("figcaption", title), createElement("div.sheet-table", { "--columns": across }, ...cells));
  const more = terms.length > used.length;
  const output = (/** @type {string} */ dy) => dy.replace(/\.d(\w+)\[/u, ".$1[");
  return [
    createElement("p.sheet-note", LINE),
    createElement(
      "div.sheet-tables",
      table("gradients around it", columns, sorted.map(({ dy, w }) => cell(dy, slopes, "", [output(dy), w, pixel]))),
      table("weights they used", columns, sorted.map(({ dy, w }) => cell(w, weights, letterOf(w), [output(dy), w, pixel]))),
      table("the kernel", kernel.columns, kernel.cells.flatMap((name) => (name ? [cell(name, weights, letterOf(name), [name])] : []))),
    ),
    createElement("p.sheet-note", `Multiply the first two tables cell by cell, and add. The second one is the third, turned by half a turn.${more ? " The outputs of the other kernels add their products in the same way." : ""}`),
  ];
}

/** Shows the loss along the followed weight, with a slider. @param {App} app @param {Trace} trace @param {string} weight */
export function slider(app, trace, weight) {
  const slope = valueOf(trace, gradientOf(weight));
  const { plan, shapes } = trace.description;
  const cost = plan.forward.reduce((sum, { reads: [, w], writes: [y] }) => sum + sizeOf(y.shape) * sizeOf(shapes[w?.storage ?? ""]?.slice(1) ?? []), 0);
  if (slope === null || cost > MOVABLE) return [];
  return lossSlider(trace, weight, slope, (change) => app.nudge(change)).elements;
}

/** Shows the images of the batch with their gradients of the weight. @param {App} app @param {Trace} trace @param {string} weight @param {(sum: string) => void} say  called with the mean */
export function batch(app, trace, weight, say) {
  const list = createElement("ul.sheet-images");
  void fill(app, trace, weight, list, say).catch((error) => list.replaceChildren(createElement("li", String(error.message))));
  return [list];
}

/** @param {App} app @param {Trace} trace @param {string} weight @param {HTMLElement} list @param {(sum: string) => void} say */
async function fill(app, trace, weight, list, say) {
  const step = /** @type {import("../../types.js").BatchStep} */ (trace.batch);
  const { tensor } = parted(weight);
  const place = placeOf(trace, weight);
  const [parts] = await app.source.contributions(step.step, tensor, [place?.flat ?? 0]);
  const count = parts.length;
  const order = parts.map((_, n) => n).sort((a, b) => Math.abs(parts[b]) - Math.abs(parts[a])).slice(0, IMAGES).sort((a, b) => a - b);
  list.replaceChildren(...order.map((n) => {
    const image = pictureCanvas(batchPicture(step, n)?.x ?? new Uint8Array(), trace.description.input_shape);
    const show = () => app.go({ image: n, sample: null });
    const about = `Image ${n}: gradient ${formatNumber(parts[n] * count)}`;
    return createElement("li", button("", show, { "aria-label": about, title: about, "aria-pressed": String(n === app.place.image) }, image, formatNumber(parts[n] * count)));
  }));
  const total = parts.reduce((sum, part) => sum + part, 0);
  const printed = count <= IMAGES ? order.map((n) => formatNumber(parts[n] * count)).join(" + ").replaceAll("+ −", "− ") : `${formatNumber(total * count)}`;
  say(count <= IMAGES ? `(${printed}) / ${count} = ${formatNumber(total)}` : `the sum over ${count} images, ${printed}, / ${count} = ${formatNumber(total)}`);
}

/** Returns a trace of the same image with the weights after the step. @param {Trace} trace @returns {Trace} */
export function traceAfter(trace) {
  const { description, frame, picture, values, batch: step } = trace;
  const parameters = Float32Array.from(frame.parameters);
  for (const [name, [first]] of Object.entries(description.layout)) {
    const after = values.get(`${name}.update`);
    if (after) parameters.set(after.data, first);
  }
  const next = step?.after ?? { ...frame, parameters };
  return makeTrace(description, { ...next, moments: frame.moments }, picture);
}

/** Shows the kernels of the weight's filter at some steps of the training. @param {App} app @param {string} weight @param {HTMLElement} element */
export async function film(app, weight, element) {
  const { tensor, index } = parted(weight);
  const { layout, shapes } = app.description;
  const shape = shapes[tensor];
  if (shape.length < 3) return;
  const newest = app.training?.newest ?? 0;
  if (!newest || app.training?.fixed) return; // no other step is known
  const stored = app.source.training.marks?.().map(({ step }) => step);
  const steps = (stored ?? [...FILM, newest]).filter((step) => step <= newest);
  const plane = sizeOf(shape.slice(2));
  const start = layout[tensor][0] + (index[0] * shape[1] + index[1]) * plane;
  const [rows, columns] = shape.length === 3 ? [1, shape[2]] : shape.slice(2);
  const frames = [];
  for (const step of [...new Set(steps)].sort((a, b) => a - b)) frames.push(await app.source.frame(step).catch(() => null));
  const kernels = frames.flatMap((frame) => (frame ? [{ step: frame.step, values: frame.parameters.slice(start, start + plane) }] : []));
  const scale = signed(kernels.flatMap(({ values }) => [...values]));
  const pictures = kernels.map(({ step, values }) => {
    const go = button("", () => app.go({ step: step === newest ? null : step }), { title: `Go to step ${whole(step)}` }, mapCanvas({ rows, columns, values }, scale, FRAME), `step ${whole(step)}`);
    return createElement("li", go);
  });
  if (element.isConnected || pictures.length) element.replaceChildren(createElement("p.sheet-note", `The kernel of ${named(tensor, index.slice(0, 2))} during the training:`), createElement("ul.sheet-images", ...pictures));
}
