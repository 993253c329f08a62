/** Light or dark theme: the system's preference until the reader chooses. The choice lasts until the page is closed. */

/** @type {Set<() => void>} */
const listeners = new Set();

const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", notify);

/** Registers a listener for a change of theme; canvases must be repainted then. @param {() => void} listener */
export function onTheme(listener) {
  listeners.add(listener);
}

export function isDark() {
  const choice = document.documentElement.dataset.theme;
  return choice ? choice === "dark" : system.matches;
}

export function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  notify();
}

function notify() {
  for (const listener of listeners) listener();
}
