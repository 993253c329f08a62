/** Outlines over the network diagram: of the cell at the pointer and of the selected cell. */

import { createSvg } from "../../elements.js";

/** @typedef {import("./tiling.js").Rect} Rect */
/** @typedef {import("./block.js").Block} Block */

const NAMES = /** @type {const} */ (["chosen", "here"]);

export class Marks {
  /** @param {HTMLElement} track */
  constructor(track) {
    this.track = track;
    /** @type {Record<string, SVGPathElement[]>} */
    this.paths = {};
    for (const name of NAMES) this.paths[name] = ["halo", "line"].map((layer) => createSvg("path", { class: `${name} ${layer}` }));
    track.append(createSvg("svg", { class: "diagram-marks", "aria-hidden": "true" }, ...Object.values(this.paths).flat()));
  }

  /** @param {"chosen" | "here"} name @param {Rect[]} rects */
  draw(name, rects) {
    const text = rects.map(outline).join("");
    for (const path of this.paths[name]) path.setAttribute("d", text);
  }

  /** Returns the rectangle of a cell if the shown page of a block contains it. @param {Block} block @param {number} flat @returns {Rect[]} */
  place(block, flat) {
    const rect = block.tiling?.rect(flat);
    if (!rect) return [];
    const [origin, at] = [this.track, block.canvas].map((element) => element.getBoundingClientRect());
    return [{ ...rect, x: rect.x + at.left - origin.left, y: rect.y + at.top - origin.top }];
  }
}

/** @param {Rect} rect */
function outline({ x, y, width, height }) {
  return `M${x - 1} ${y - 1}h${width + 2}v${height + 2}h${-width - 2}z`;
}
