/** The dialog that shows the keys. */

const KEYS = [
  ["Anywhere", [["?", "these keys"], ["f b u", "forward, backward, update"], ["Tab", "to the next map or control"]]],
  ["On a map", [
    ["← ↑ → ↓", "to the next cell; past the edge, to the next map"],
    ["Page Up, Page Down", "to the map before, or after"],
    ["Enter", "choose the cell: see how it was made"],
  ]],
  ["While a cell is made", [["← →", "a step back, or on"], ["Space", "play, or stop"], ["Esc", "close"]]],
  ["In the lab", [["← ↑ → ↓", "to the next number"], ["Enter", "on a result: see how it was made"]]],
  ["On the walk", [["← →", "to the stop before, or after"]]],
  ["On the time line", [
    ["← →", "a step back, or on"],
    ["Page Up, Page Down", "a tenth of the time on, or back"],
    ["Home, End", "the first step, or now"],
  ]],
];

/** @returns {HTMLDialogElement} */
export function keysDialog() {
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  dialog.setAttribute("aria-label", "Keys");
  const title = document.createElement("h2");
  title.textContent = "Keys";
  dialog.append(title);
  for (const [heading, rows] of KEYS) {
    const head = document.createElement("h3");
    head.textContent = String(heading);
    dialog.append(head, table(/** @type {string[][]} */ (rows)));
  }
  const form = document.createElement("form");
  form.method = "dialog";
  const close = document.createElement("button");
  close.textContent = "Close";
  form.append(close);
  dialog.append(form);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

/** @param {string[][]} rows */
function table(rows) {
  const list = document.createElement("dl");
  for (const [keys, words] of rows) {
    const term = document.createElement("dt");
    const key = document.createElement("kbd");
    key.textContent = keys;
    term.append(key);
    const meaning = document.createElement("dd");
    meaning.textContent = words;
    list.append(term, meaning);
  }
  return list;
}
