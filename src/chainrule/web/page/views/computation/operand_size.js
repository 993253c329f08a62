/** The size of operands, chosen so that a whole computation fits into the window. */

import { inLectureMode } from "../../lecture_mode.js";

const AROUND = 480; // pixels of everything above and below: page header, equation, sum, sections, timeline
const AROUND_LECTURE = 400; // pixels in lecture mode, which has no page header but larger letters
const BETWEEN = 330; // pixels between and beside the operands of a row
const [MIN_SIDE, MAX_SIDE] = [150, 720]; // pixels
const PHONE = 699; // pixels; largest width of a window with the layout for phones

/** Returns the longest side of an operand in pixels. */
export function operandSide() {
  if (innerWidth <= PHONE) return Math.min(320, innerWidth - 24);
  return Math.max(MIN_SIDE, Math.min(MAX_SIDE, innerHeight - (inLectureMode() ? AROUND_LECTURE : AROUND), (innerWidth - BETWEEN) / 3));
}

/** Sets the CSS variable --operand, and updates it when the window is resized. @param {() => void} changed */
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
