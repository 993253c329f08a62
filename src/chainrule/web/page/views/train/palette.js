/**
 * The colors of the style sheet, for canvases. They are read from hidden elements, since a custom property that contains
 * `light-dark()` cannot be read as a color.
 */

const CYCLE = 8; // number of line colors in train-curves.css

export class Palette {
  /** @param {HTMLElement} home  parent of the hidden elements @param {() => void} changed */
  constructor(home, changed) {
    this.carriers = document.createElement("span");
    this.carriers.hidden = true;
    home.append(this.carriers);
    /** @type {Map<string, HTMLElement>} */
    this.elements = new Map();
    /** @type {Map<string, string>} */
    this.cache = new Map();
    const forget = () => {
      this.cache.clear();
      changed();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);
    new MutationObserver(forget).observe(document.documentElement, { attributes: true });
  }

  /** Returns the color of the class `train-<name>`. @param {string} name */
  color(name) {
    const cached = this.cache.get(name);
    if (cached) return cached;
    let element = this.elements.get(name);
    if (!element) {
      element = document.createElement("span");
      element.className = `train-${name}`;
      this.carriers.append(element);
      this.elements.set(name, element);
    }
    const color = getComputedStyle(element).color;
    this.cache.set(name, color);
    return color;
  }
}

/** Returns the color name of the k-th line. @param {number} k */
export function lineName(k) {
  return `line-${k % CYCLE}`;
}

/** Returns the dash pattern of the k-th line. @param {number} k @returns {number[]} */
export function lineDash(k) {
  return [[], [6, 3], [2, 2]][Math.floor(k / CYCLE) % 3] ?? [];
}
