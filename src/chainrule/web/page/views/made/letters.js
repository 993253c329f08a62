import { parted } from "../../explain/naming.js";

/**
 * The letters of a sum's factors. Each has a colour and an underline of its own, the same in the equation, over its
 * operand and in the strip; pointing at one of them lights the others.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @typedef {{name: string, tensor: string, cell: string, slot: number}} Letter  slot: 1, 2, 3, of its colour
 */

const SLOTS = 3; // in made-letters.css

/** @param {Explanation} explanation @returns {Letter[]} */
export function lettersOf({ terms }) {
  /** @type {Map<string, Letter>} */
  const found = new Map();
  for (const { name, cell } of [...(terms.at(-1)?.factors ?? []), ...(terms[0]?.factors ?? [])]) {
    if (cell && !found.has(name) && found.size < SLOTS) {
      found.set(name, { name, tensor: parted(cell).tensor, cell, slot: found.size + 1 });
    }
  }
  return [...found.values()];
}

/** Marks the letters in an equation. @param {Element} equation @param {Letter[]} letters @param {(cell: string | null) => void} hover */
export function markLetters(equation, letters, hover) {
  for (const symbol of equation.querySelectorAll("[data-name]")) {
    const letter = letters.find(({ name }) => name === symbol.getAttribute("data-name"));
    if (!letter) continue;
    symbol.setAttribute("data-slot", String(letter.slot));
    symbol.addEventListener("pointerenter", () => hover(letter.cell));
    symbol.addEventListener("pointerleave", () => hover(null));
  }
}

/** Lights what belongs to the letter that is pointed at. @param {HTMLElement} section */
export function lightLetters(section) {
  section.addEventListener("pointerover", ({ target }) => {
    const slot = target instanceof Element ? target.closest("[data-slot]")?.getAttribute("data-slot") : null;
    if (slot) section.dataset.lit = slot;
    else delete section.dataset.lit;
  });
  section.addEventListener("pointerleave", () => delete section.dataset.lit);
}
