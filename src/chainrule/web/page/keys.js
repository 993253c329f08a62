/** The dialog that shows the keys. */

import { make } from "./elements.js";

/** @type {[string, string[][]][]} */
const KEYS = [
  [
    "Anywhere",
    [
      ["?", "these keys"],
      ["f b u", "forward, backward, update"],
      ["Tab", "to the next map or control"],
    ],
  ],
  [
    "On a map",
    [
      ["← ↑ → ↓", "to the next cell; past the edge, to the next map"],
      ["Page Up, Page Down", "to the map before, or after"],
      ["Enter", "choose the cell: see how it was made"],
    ],
  ],
  [
    "While a cell is made",
    [
      ["← →", "a step back, or on"],
      ["Space", "play, or stop"],
      ["Esc", "close"],
    ],
  ],
  [
    "In the lab",
    [
      ["← ↑ → ↓", "to the next number"],
      ["Enter", "on a result: see how it was made"],
    ],
  ],
  ["On the walk", [["← →", "to the stop before, or after"]]],
  [
    "On the time line",
    [
      ["← →", "a step back, or on"],
      ["Page Up, Page Down", "a tenth of the time on, or back"],
      ["Home, End", "the first step, or now"],
    ],
  ],
];

/** @returns {HTMLDialogElement} */
export function keysDialog() {
  const dialog = make("dialog", { class: "keys", "aria-label": "Keys" }, make("h2", {}, "Keys"));
  for (const [heading, rows] of KEYS) dialog.append(make("h3", {}, heading), table(rows));
  dialog.append(make("form", { method: "dialog" }, make("button", {}, "Close")));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

/** @param {string[][]} rows */
function table(rows) {
  const lines = rows.flatMap(([keys, words]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, words)]);
  return make("dl", {}, ...lines);
}
