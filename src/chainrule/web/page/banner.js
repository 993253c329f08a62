/** Calm lines at the top of the page: what went wrong, and what to do. One line for each kind of trouble. */

/** @type {Map<string, HTMLElement>} */
const lines = new Map();

/**
 * Says something until it is dismissed or `unsay` takes it back.
 * @param {string} kind  another line of the same kind replaces this one
 * @param {string} words
 */
export function say(kind, words) {
  const line = lines.get(kind) ?? newLine(kind);
  const text = line.querySelector("p");
  if (text && text.textContent !== words) text.textContent = words;
}

/** @param {string} kind */
export function unsay(kind) {
  lines.get(kind)?.remove();
  lines.delete(kind);
}

/** @param {string} kind */
function newLine(kind) {
  const line = document.createElement("div");
  line.className = "banner";
  line.dataset.kind = kind;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain";
  close.textContent = "Dismiss";
  close.addEventListener("click", () => unsay(kind));
  line.append(document.createElement("p"), close);
  document.getElementById("banners")?.append(line);
  lines.set(kind, line);
  return line;
}
