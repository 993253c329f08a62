/**
 * The path a reader walked from cell to cell, the newest last.
 *
 * A cell that was followed from the last one is added; one that is on the path already is gone back to; any other
 * begins a new path.
 *
 * @param {string[]} path
 * @param {string} cell
 * @param {boolean} followed
 * @returns {string[]}
 */
export function walked(path, cell, followed) {
  const before = path.lastIndexOf(cell);
  if (before >= 0) return path.slice(0, before + 1);
  return followed ? [...path, cell] : [cell];
}
