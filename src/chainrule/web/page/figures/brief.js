/** Numbers as a cell of a grid has room for: at most six characters or so. The whole number is in the cell's label. */
import { shown } from "../explain/numbers.js";

const ROOM = 6;

/** @param {number} value @returns {string} */
export function brief(value) {
  const whole = shown(value);
  if (whole.length <= ROOM || !Number.isFinite(value)) return whole;
  for (const digits of [4, 3, 2]) {
    const short = shown(Number(value.toPrecision(digits)));
    if (short.length <= ROOM) return short;
  }
  return shown(Number(value.toPrecision(2)));
}
