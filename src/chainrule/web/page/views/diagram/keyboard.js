/** Arrow keys on a map: they move to the next cell, and across the edge of a plane to the adjacent plane. */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Returns the element that a key moves to from element `flat`: `flat` itself at the border, null for any other key.
 * @param {import("./tiling.js").Tiling} tiling @param {number} flat @param {string} key @param {number} gap
 * @returns {number | null}
 */
export function move(tiling, flat, key, gap) {
  if (key === "Home") return tiling.tiles[0].base;
  if (key === "End") {
    const last = tiling.tiles[tiling.tiles.length - 1];
    return last.base + last.rows * last.columns - 1;
  }
  const arrow = ARROWS[key];
  const rect = tiling.rect(flat);
  if (!arrow || !rect) return null;
  for (const far of [0, gap]) {
    const [x, y] = [rect.x + rect.width / 2, rect.y + rect.height / 2];
    const next = tiling.at(x + arrow[0] * (rect.width + far), y + arrow[1] * (rect.height + far));
    if (next >= 0) return next;
  }
  return flat;
}
