/** Light or dark: as the system has it, until the reader chooses. The choice is kept while the page is open. */

/** @type {Set<() => void>} */
const listeners = new Set();

const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", tell);

/** Canvases are painted anew when the colours change. @param {() => void} listener */
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
