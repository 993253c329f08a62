/**
 * Extends the path of cells that a reader followed, the newest last.
 *
 * A cell followed from the last one is appended. A cell on the path truncates the path. Any other cell starts a new
 * path.
 *
 * @param {string[]} path
 * @param {string} cell
 * @param {boolean} followed
 * @returns {string[]}
 */
export function extendedPath(path, cell, followed) {
  const before = path.lastIndexOf(cell);
  if (before >= 0) return path.slice(0, before + 1);
  return followed ? [...path, cell] : [cell];
}
