/** Light or dark colours colours: the system's preference until the reader chooses. The choice lasts while the page is open. */

/** @type {Set<() => void>} */
const listeners = new Set();

const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", tell);

/** Registers a listener for a change of colours, since canvases must be repainted. @param {() => void} listener */
export function onTheme(listener) {
  listeners.add(listener);
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

export function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}
