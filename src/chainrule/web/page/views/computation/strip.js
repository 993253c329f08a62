/** The network in one line above the panel: a map of every layer, and the path of cells through it. */

import { createElement } from "../../elements.js";
import { largestMagnitude, ravel, unravel } from "../../engine/tensor.js";
import { sourcesOf } from "../../explain/dependencies.js";
import { layered, named, parted } from "../../explain/naming.js";
import { mapCanvas } from "../../figures/map.js";
import { scaleOfTensor } from "../../figures/cell_colors.js";
import { lettersOf } from "./letters.js";
import { cellLink } from "./links.js";

/**
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("../../types.js").Box} Box
 * @typedef {import("./links.js").Follower & {trace: Trace, explanation: import("../../types.js").Explanation}} PanelContext
 * @typedef {{name: string, tensor: string, cell: string | null, box: Box | null}} Station
 *   cell: the path's cell in this layer; box: the values that the last cell of the path was computed from
 */

const COLUMN = 32; // values of a vector per column
const MAX_SEARCHED = 200_000; // values of a tensor

export class Strip {
  /** @param {import("../../types.js").Description} description */
  constructor(description) {
    this.description = description;
    this.list = createElement("ol.strip-stations");
    this.element = createElement("nav.computation-strip", { "aria-label": "The network, and the path through it" }, this.list);
  }

  /** @param {PanelContext} context @param {string[]} path  the newest last */
  show(context, path) {
    const { trace } = context;
    const stations = this.#stations(trace, path);
    const last = path[path.length - 1];
    const here = layerOf(last);
    const letters = lettersOf(context.explanation);
    this.list.replaceChildren(
      ...stations.map((station) => {
        const listItem = item(context, station, station.name === here);
        const letter = letters.find(({ tensor }) => tensor === station.tensor);
        if (letter) listItem.dataset.slot = String(letter.slot);
        return listItem;
      }),
    );
    const lit = path.map((cell) => stations.findIndex(({ name }) => name === layerOf(cell)));
    this.#join(lit);
    const current = this.list.children[lit[lit.length - 1]];
    if (current instanceof HTMLElement) this.#center(current);
  }

  /** @param {Trace} trace @param {string[]} path @returns {Station[]} */
  #stations(trace, path) {
    const last = path[path.length - 1];
    const back = /(?:^|\.)d[^.]*$/u.test(parted(last).tensor) || /\.(?:update|m|v)$/u.test(parted(last).tensor);
    const boxes = sources(trace, last);
    const names = ["input", ...this.description.layers.map(({ name }) => name), "loss"];
    return names.flatMap((name) => {
      const cell = path.findLast((candidate) => layerOf(candidate) === name) ?? null;
      const box = cell === last ? null : (boxes.find(({ tensor }) => layerOf(`${tensor}[]`) === name) ?? null);
      const usual = name === "input" ? "x" : name === "loss" ? "loss.y" : `${name}.${back ? "dy" : "y"}`;
      const tensor = box?.tensor ?? (cell ? parted(cell).tensor : usual);
      return trace.values.has(tensor) ? [{ name, tensor, cell, box }] : [];
    });
  }

  /** Highlights the arrows between consecutive cells of the path. @param {number[]} lit  indices of their stations */
  #join(lit) {
    for (let at = 1; at < lit.length; at += 1) {
      const [from, to] = [Math.min(lit[at - 1], lit[at]), Math.max(lit[at - 1], lit[at])];
      if (from < 0) continue;
      for (let place = from + 1; place <= to; place += 1) this.list.children[place].classList.add("joined");
    }
  }

  /** Scrolls a station to the center of the strip, without scrolling the page. @param {HTMLElement} station */
  #center({ offsetLeft, offsetWidth }) {
    requestAnimationFrame(() => {
      this.list.scrollLeft = offsetLeft - this.list.offsetLeft - (this.list.clientWidth - offsetWidth) / 2;
    });
  }
}

/** @param {PanelContext} context @param {Station} station @param {boolean} here */
function item(context, { name, tensor, cell, box }, here) {
  const { trace } = context;
  const array = /** @type {NDArray} */ (trace.values.get(tensor));
  const index = cell ? parted(cell).index : box ? box.from : unravel(largestMagnitude(array.data.subarray(0, MAX_SEARCHED)), array.shape);
  const target = cell ?? named(tensor, index);
  const link = cellLink(context, target, "", "strip-station");
  link.setAttribute("aria-label", `${name}: ${target}`);
  link.title = target;
  link.append(createElement("span.strip-name", name), picture(trace, tensor, array, index, cell ? null : box, Boolean(cell)));
  const listItem = createElement("li", { class: cell ? "walked" : box ? "source" : null }, link);
  if (here) listItem.setAttribute("aria-current", "true");
  return listItem;
}

/**
 * Draws the plane of a tensor that contains an index.
 * @param {Trace} trace @param {string} tensor @param {NDArray} array @param {number[]} index @param {Box | null} box
 * @param {boolean} marked  whether the cell at the index is marked
 */
function picture(trace, tensor, { shape, data }, index, box, marked) {
  const isPlane = shape.length > 1;
  const size = shape[0] ?? 1;
  const [rows, columns] = isPlane ? shape.slice(-2) : [Math.min(size, COLUMN), Math.ceil(size / COLUMN)];
  const start = isPlane ? ravel([...index.slice(0, -2), 0, 0], shape) : 0;
  const values = Array.from({ length: rows * columns }, (_, cell) => {
    const place = isPlane ? cell : (cell % columns) * rows + Math.floor(cell / columns); // vectors run down
    return data[start + place] ?? null;
  });
  const canvas = mapCanvas({ rows, columns, values }, scaleOfTensor(trace, tensor), 1);
  const most = Math.max(rows, columns, 10);
  canvas.style.width = `calc(var(--tall) * ${columns / most})`;
  canvas.style.height = `calc(var(--tall) * ${rows / most})`;
  const frame = createElement("span", canvas);
  const mark = marked || box ? markOf(shape, index, box, rows, columns) : null;
  if (mark) frame.append(mark);
  return createElement("span.strip-map", frame);
}

/** @param {number[]} shape @param {number[]} index @param {Box | null} box @param {number} rows @param {number} columns */
function markOf(shape, index, box, rows, columns) {
  const isPlane = shape.length > 1;
  const [from, to] = box ? [box.from, box.to] : [index, index.map((position) => position + 1)];
  const [top, left] = isPlane ? from.slice(-2) : [(from[0] ?? 0) % rows, Math.floor((from[0] ?? 0) / rows)];
  const whole = !isPlane && (to[0] ?? 1) - (from[0] ?? 0) > 1;
  const [bottom, right] = whole ? [rows, columns] : isPlane ? to.slice(-2) : [top + 1, left + 1];
  const mark = createElement("span.strip-mark");
  const share = (/** @type {number} */ part, /** @type {number} */ of) => `${(100 * part) / of}%`;
  mark.style.top = whole ? "0" : share(top, rows);
  mark.style.left = whole ? "0" : share(left, columns);
  mark.style.height = share(bottom - (whole ? 0 : top), rows);
  mark.style.width = share(right - (whole ? 0 : left), columns);
  return mark;
}

/** Returns the name of the station of a cell. @param {string} cell */
function layerOf(cell) {
  const { tensor } = parted(cell);
  return tensor === "t" || tensor.startsWith("loss") ? "loss" : layered(tensor).layer || "input";
}

/** @param {Trace} trace @param {string} cell */
function sources(trace, cell) {
  try {
    return sourcesOf(trace, cell);
  } catch {
    return [];
  }
}
