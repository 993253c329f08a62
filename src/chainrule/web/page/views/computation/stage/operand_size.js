/** The side of the squares in which operands are shown, so that a whole computation fits into the window. */

import { inLectureMode } from "../../../lecture_mode.js";

const AROUND = 548; // pixels of the page's head, the strip, the equation, the sum, what is folded away and the player
const AROUND_HALL = 500; // the same in a lecture hall, where letters are larger and the head is gone
const BETWEEN = 330; // pixels of a row of operands that are not operands
const [LEAST, MOST] = [150, 720];
const PHONE = 699;

/** Returns the longest side of an operand in pixels. */
export function operandSide() {
  if (innerWidth <= PHONE) return Math.min(320, innerWidth - 24);
  return Math.max(LEAST, Math.min(MOST, innerHeight - (inLectureMode() ? AROUND_HALL : AROUND), (innerWidth - BETWEEN) / 3));
}

/** Follows the window: the style sheets use it as --operand. @param {() => void} changed */
export function onOperandResize(changed) {
  const measure = () => document.documentElement.style.setProperty("--operand", `${operandSide()}px`);
  let side = operandSide();
  measure();
  addEventListener("resize", () => {
    if (side === operandSide()) return;
    side = operandSide();
    measure();
    changed();
  });
}
