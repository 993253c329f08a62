/** The dialog that lists the keyboard shortcuts. */

import { createElement } from "./elements.js";

/** @type {[string, string[][]][]} */
const KEYS = [
  [
    "Anywhere",
    [
      ["?", "show this list"],
      ["f b", "forward, backward"],
      ["l", "lecture mode on or off: large letters, only the essentials"],
      ["Page Down, Page Up", "in lecture mode: next or previous stop, also with a presenter’s remote"],
      ["Tab", "next map or control"],
    ],
  ],
  [
    "On a map",
    [
      ["← ↑ → ↓", "next cell; past the edge, the next map"],
      ["Page Up, Page Down", "previous or next page of maps"],
      ["Enter", "select the cell and show how it is computed"],
    ],
  ],
  [
    "In the computation of a cell",
    [
      ["Esc", "close"],
    ],
  ],
  [
    "On the sheet",
    [
      ["Space", "go to the next stop"],
      ["← →", "previous or next stop; on a cell, the cell beside it"],
      ["Enter", "keep the number of a cell"],
      ["Esc", "release it"],
    ],
  ],
  [
    "On the timeline",
    [
      ["← →", "a step back, or on"],
      ["Page Up, Page Down", "forward or back by a tenth of the timeline"],
      ["Home, End", "first or newest step"],
    ],
  ],
];

/** @returns {HTMLDialogElement} */
export function keysDialog() {
  const dialog = createElement("dialog.keys", { "aria-label": "Keys" }, createElement("h2", "Keys"));
  for (const [heading, rows] of KEYS) dialog.append(createElement("h3", heading), table(rows));
  dialog.append(createElement("form", { method: "dialog" }, createElement("button", "Close")));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

/** @param {string[][]} rows */
function table(rows) {
  const lines = rows.flatMap(([keys, words]) => [createElement("dt", createElement("kbd", keys)), createElement("dd", words)]);
  return createElement("dl", ...lines);
}
