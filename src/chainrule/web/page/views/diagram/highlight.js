/**
 * Marks over the network diagram: the cell at the pointer, its inputs, the cells computed from it, and lines to them.
 */

import { createSvg } from "../../elements.js";

/** @typedef {import("./tiling.js").Rect} Rect */
/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("../../types.js").Box} Box */
/**
 * @typedef {{here: Rect[], from: Rect[], to: Rect[], ends: Rect[], chosen: Rect[]}} Marks  ends: rectangles where lines
 *   end
 */

const MAX_LINES = 24;
const NAMES = /** @type {const} */ (["lines", "from", "to", "chosen", "here"]);

export class Highlight {
  /** @param {HTMLElement} track */
  constructor(track) {
    this.track = track;
    /** @type {Record<string, SVGPathElement[]>} */
    this.paths = {};
    for (const name of NAMES) {
      const layers = name === "lines" ? ["line"] : ["halo", "line"];
      this.paths[name] = layers.map((layer) => createSvg("path", { class: `${name} ${layer}` }));
    }
    this.svg = createSvg("svg", { class: "diagram-marks", "aria-hidden": "true" }, ...Object.values(this.paths).flat());
    track.append(this.svg);
  }

  /** @param {Marks} marks */
  draw(marks) {
    this.#set("chosen", marks.chosen.map(outline));
    this.#set("here", marks.here.map(outline));
    this.#set("from", marks.from.map(outline));
    this.#set("to", marks.to.map(outline));
    const [start] = marks.here;
    this.#set("lines", start ? mergeRects(marks.ends).map((end) => line(start, end)) : []);
  }

  /** @param {string} name @param {string[]} parts */
  #set(name, parts) {
    const text = parts.join("");
    for (const path of this.paths[name]) {
      if (path.getAttribute("d") !== text) path.setAttribute("d", text);
    }
  }

  /**
   * Returns the rectangles of the cells of boxes, as far as the shown pages contain them.
   * @param {Box[]} boxes @param {Block[]} blocks @returns {Rect[]}
   */
  place(boxes, blocks) {
    const origin = this.track.getBoundingClientRect();
    return boxes.flatMap((box) =>
      blocks
        .filter((block) => block.spec.tensor === box.tensor && block.tiling)
        .flatMap((block) => shifted(block, block.tiling?.rects(box) ?? [], origin)),
    );
  }

  /**
   * Returns the rectangles where lines to boxes end: one per map, but only one for all parameters of a tensor.
   * @param {Box[]} boxes @param {Block[]} blocks @returns {Rect[]}
   */
  ends(boxes, blocks) {
    return boxes.flatMap((box) => {
      const block = blocks.find((candidate) => candidate.spec.tensor === box.tensor);
      const rects = block ? this.place([box], [block]) : [];
      return block?.spec.role === "parameters" ? rects.slice(0, 1) : rects;
    });
  }

  /** @param {Block} block @param {number} flat @returns {Rect[]} */
  placeOne(block, flat) {
    const rect = block.tiling?.rect(flat);
    return rect ? shifted(block, [rect], this.track.getBoundingClientRect()) : [];
  }
}

/** @param {Block} block @param {Rect[]} rects @param {DOMRect} origin @returns {Rect[]} */
function shifted(block, rects, origin) {
  if (!rects.length) return [];
  const at = block.canvas.getBoundingClientRect();
  const [x, y] = [at.left - origin.left, at.top - origin.top];
  return rects.map((rect) => ({ ...rect, x: rect.x + x, y: rect.y + y }));
}

/** @param {Rect} rect */
function outline({ x, y, width, height }) {
  return `M${x - 1} ${y - 1}h${width + 2}v${height + 2}h${-width - 2}z`;
}

/** Returns at most MAX_LINES rectangles, evenly spaced. @param {Rect[]} rects */
function mergeRects(rects) {
  const every = Math.ceil(rects.length / MAX_LINES);
  return rects.filter((_, i) => i % every === 0);
}

/** Returns a curve between the sides of two rectangles. @param {Rect} start @param {Rect} end */
function line(start, end) {
  const toLeft = end.x + end.width <= start.x;
  const toRight = end.x >= start.x + start.width;
  if (!toLeft && !toRight) {
    const down = end.y > start.y;
    const [x0, y0] = [start.x + start.width / 2, down ? start.y + start.height : start.y];
    const [x1, y1] = [end.x + end.width / 2, down ? end.y : end.y + end.height];
    const bend = (y1 - y0) / 2;
    return `M${x0} ${y0}C${x0} ${y0 + bend} ${x1} ${y1 - bend} ${x1} ${y1}`;
  }
  const [x0, y0] = [toLeft ? start.x : start.x + start.width, start.y + start.height / 2];
  const [x1, y1] = [toLeft ? end.x + end.width : end.x, end.y + end.height / 2];
  const bend = (x1 - x0) / 2;
  return `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
}
