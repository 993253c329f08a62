import { createElement } from "../elements.js";
import { isDark } from "../theme.js";

/** Colors of the style sheet for canvases, which cannot resolve light-dark(). */

/** @type {Map<string, string>} */
const cache = new Map();
let dark = isDark();
/** @type {HTMLElement | null} */
let probe = null;

/** @param {string} name of a custom property: --accent */
export function ink(name) {
  if (dark !== isDark()) cache.clear();
  dark = isDark();
  let color = cache.get(name);
  if (!color) cache.set(name, (color = resolved(name)));
  return color;
}

/** @param {string} name */
function resolved(name) {
  if (!probe?.isConnected) {
    probe = createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
