import { parted } from "../../explain/naming.js";

/**
 * The letters of an equation's operands: the factors of a sum, or the weight, gradient and moments of an update. Each
 * letter has the same color and underline in the equation and at its operand. Pointing at one of them
 * highlights the others.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @typedef {{name: string, tensor: string, cell: string, slot: number}} Letter  slot: number of its color, from 1 to 4
 */

const SLOTS = 4; // in computation-letters.css

/** @param {Explanation} explanation @returns {Letter[]} */
export function lettersOf(explanation) {
  const { operation, terms } = explanation;
  if (operation?.endsWith("_update")) return updated(explanation);
  /** @type {Map<string, string>} */
  const cellOf = new Map();
  for (const { factors } of [...terms].reverse()) {
    for (const { name, cell } of factors) if (cell && !cellOf.has(name)) cellOf.set(name, cell);
  }
  return [...cellOf].slice(0, SLOTS).map(([name, cell], at) => ({ name, cell, tensor: parted(cell).tensor, slot: at + 1 }));
}

/** Returns the letters of an update. Its gradient has two. @param {Explanation} explanation @returns {Letter[]} */
function updated({ sources }) {
  return sources.slice(0, SLOTS).flatMap((cell, at) => {
    const names = at === 1 ? ["g", `d${lastName(sources[0])}`] : [lastName(cell)];
    return names.map((name) => ({ name, tensor: parted(cell).tensor, cell, slot: at + 1 }));
  });
}

/** Returns the last part of a tensor's name: m of conv2.w.m[0,1]. @param {string} cell */
function lastName(cell) {
  const { tensor } = parted(cell);
  return tensor.slice(tensor.lastIndexOf(".") + 1);
}

/** Gives an element the color of a cell's letter, if there is one. @param {Element} element @param {string} cell @param {Explanation} explanation */
export function markCell(element, cell, explanation) {
  const letter = lettersOf(explanation).find((candidate) => candidate.cell === cell);
  if (letter) element.setAttribute("data-slot", String(letter.slot));
}

/** Marks the letters in an equation. @param {Element} equation @param {Letter[]} letters */
export function markLetters(equation, letters) {
  for (const symbol of equation.querySelectorAll("[data-name]")) {
    const letter = letters.find(({ name }) => name === symbol.getAttribute("data-name"));
    if (letter) symbol.setAttribute("data-slot", String(letter.slot));
  }
}

/** Highlights everything that belongs to the letter at the pointer. @param {HTMLElement} section */
export function lightLetters(section) {
  section.addEventListener("pointerover", ({ target }) => {
    const slot = target instanceof Element ? target.closest("[data-slot]")?.getAttribute("data-slot") : null;
    if (slot) section.dataset.lit = slot;
    else delete section.dataset.lit;
  });
  section.addEventListener("pointerleave", () => delete section.dataset.lit);
}
