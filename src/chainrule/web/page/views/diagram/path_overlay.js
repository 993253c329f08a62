/**
 * Paths of a gradient over the maps, from the error at the output to a weight. The width of a path shows its share, and
 * its color shows whether the path raises or lowers the weight: a step goes against the gradient.
 */

import { createSvg } from "../../elements.js";
import { layered, parted, placeOf } from "../../explain/naming.js";

/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./highlight.js").Highlight} Highlight */
/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/paths.js").Path} Path */

const [WIDEST, THINNEST] = [9, 1.5]; // pixels

export class PathOverlay {
  /** @param {HTMLElement} track @param {Highlight} highlight */
  constructor(track, highlight) {
    this.highlight = highlight;
    this.svg = createSvg("svg", { class: "diagram-paths", "aria-hidden": "true" });
    this.drawn = "";
    track.append(this.svg);
  }

  /**
   * Draws paths over the maps of gradients.
   * @param {Trace} trace @param {Path[]} paths @param {Block[]} blocks
   * @param {(layer: string) => boolean} isReached  whether the played pass has reached a layer
   */
  draw(trace, paths, blocks, isReached) {
    const most = Math.max(...paths.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
    const lines = paths.flatMap(({ links, value }) => {
      const spots = links.map(({ cell }) => ({ layer: layered(parted(cell).tensor).layer, at: this.#place(trace, cell, blocks) }));
      return spots.slice(1).flatMap(({ layer, at }, n) => {
        const from = spots[n].at;
        if (!from || !at || !isReached(layer)) return [];
        const width = Math.max(THINNEST, (WIDEST * Math.abs(value)) / most);
        return [createSvg("path", { class: value < 0 ? "up" : "down", d: curve(from, at), "stroke-width": width, pathLength: 1 })];
      });
    });
    const drawn = lines.map((line) => line.outerHTML).join("");
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const known = new Map([...this.svg.children].map((line) => [line.outerHTML, line])); // these are not animated again
    this.svg.replaceChildren(...lines.map((line) => known.get(line.outerHTML) ?? line));
  }

  /**
   * Returns the center of a cell on its map, or of the map if the cell is on another page. For a weight, returns the left
   * edge of the cell, and where paths to it pass beside the map.
   * @param {Trace} trace @param {string} cell @param {Block[]} blocks
   */
  #place(trace, cell, blocks) {
    const place = placeOf(trace, cell);
    if (!place) return null;
    const block = blocks.find(({ spec }) => spec.tensor === place.tensor);
    const [rect] = block ? this.highlight.placeOne(block, place.flat) : [];
    if (rect && block?.spec.role === "parameters") return [rect.x - 2, rect.y + rect.height / 2, this.highlight.besides(block)];
    if (rect) return [rect.x + rect.width / 2, rect.y + rect.height / 2];
    return block ? this.highlight.centerOf(block) : null;
  }
}

/** @param {number[]} from @param {number[]} to */
function curve([x0, y0], [x1, y1, side]) {
  const middle = side === undefined ? (x0 + x1) / 2 : (8 * side - x0 - x1) / 6; // the curve passes through the side
  const points = [x0, y0, middle, y0, middle, y1, x1, y1].map((number) => number.toFixed(1));
  return `M${points.slice(0, 2).join(" ")}C${points.slice(2).join(" ")}`;
}
