/** One stop as elements: its text, its figures, its question and the answer. */
import { formatNumber } from "../../explain/numbers.js";
import { cells } from "../../figures/cells.js";
import { button, createElement } from "../../elements.js";
import { pixels } from "../../figures/pixels.js";
import { TEXT } from "./look.js";
import { numberOf } from "../../figures/typed.js";

/**
 * @typedef {import("./stop.js").Stop} Stop
 * @typedef {import("./stop.js").Figure} Figure
 * @typedef {{
 *   number: number, count: number, layer: string, answered: string | null,
 *   answer: (text: string) => void, href: string, follow: () => void,
 * }} Around
 */

const WIDEST = 216;

/** @param {Stop} stop @param {Around} around */
export function page(stop, around) {
  const title = createElement("h2", { tabindex: -1 }, stop.title);
  const meta = createElement("p", { class: "walk-meta" }, `Stop ${around.number + 1} of ${around.count} · ${around.layer}`);
  const words = createElement("div", { class: "walk-words" }, meta, title, ...stop.words.map((text) => createElement("p", {}, text)));
  const article = createElement("article", { class: "stop", "data-stop": stop.id }, words);
  if (stop.figures.length) article.append(figures(stop.figures));
  article.append(question(stop, around));
  return article;
}

/** Returns a stop of a teacher's walk. @param {import("../../types.js").OwnStop} stop @param {number} number @param {number} count */
export function ownPage({ title, words }, number, count) {
  const text = createElement(
    "div",
    { class: "walk-words" },
    createElement("p", { class: "walk-meta" }, `Stop ${number + 1} of ${count}`),
    createElement("h2", { tabindex: -1 }, title),
    ...words.map((each) => createElement("p", {}, each)),
  );
  return createElement("article", { class: "stop own", "data-stop": String(number + 1) }, text);
}

/** @param {(Figure | string)[]} parts */
function figures(parts) {
  const row = parts.map((part) => {
    return typeof part === "string" ? createElement("span", { class: "joint" }, part) : figure(part);
  });
  const stacked = parts.some((part) => typeof part !== "string" && part.heads);
  return createElement("div", { class: stacked ? "walk-figures stacked" : "walk-figures" }, ...row);
}

/** @param {Figure} given */
function figure({ title, rows, columns, values, scale, name, marks, heads }) {
  const of = rows > TEXT || columns > TEXT ? pixels : cells;
  const plane = of({ label: title, rows, columns, name, widest: WIDEST });
  plane.show(values, scale);
  if (heads)
    plane.element.prepend(
      createElement("div", { class: "heads", "aria-hidden": "true" }, ...heads.map((head) => createElement("span", {}, head))),
    );
  if (marks) plane.mark(marks);
  return createElement("figure", {}, plane.element, createElement("figcaption", {}, title));
}

/** @param {Stop} stop @param {Around} around */
function question(stop, around) {
  const { answered } = around;
  const legend = createElement("legend", {}, stop.question);
  const set = createElement("fieldset", { class: "question" }, legend);
  set.append(stop.number === null ? choiceRow(stop, around) : numberRow(stop, around));
  if (answered !== null) set.append(reveal(stop, around, answered));
  return set;
}

/** @param {Stop} stop @param {Around} around */
function choiceRow(stop, { answered, answer }) {
  return createElement(
    "div",
    { class: "guesses" },
    ...stop.choices.map(({ text, right }) => {
      const choice = button(text, () => answer(text), { disabled: answered !== null });
      if (answered !== null && right) choice.classList.add("is-answer");
      if (answered === text && !right) choice.classList.add("was-wrong");
      if (answered === text) choice.setAttribute("aria-pressed", "true");
      return choice;
    }),
  );
}

/** @param {Stop} stop @param {Around} around */
function numberRow(stop, { answered, answer }) {
  const input = createElement("input", {
    type: "text",
    inputmode: "numeric",
    autocomplete: "off",
    "aria-label": stop.question,
    size: 8,
  });
  const words = createElement("p", { class: "number-words", role: "alert" });
  input.value = answered ?? "";
  input.disabled = answered !== null;
  const check = button(
    "Check",
    () => {
      if (numberOf(input.value) === null)
        words.textContent = input.value ? `“${input.value}” is not a number.` : "Type a number first.";
      else answer(input.value.trim());
    },
    { disabled: answered !== null },
  );
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") check.click();
  });
  return createElement("div", { class: "guesses" }, input, check, words);
}

/** @param {Stop} stop @param {Around} around @param {string} answered */
function reveal(stop, { href, follow }, answered) {
  const right =
    stop.number === null
      ? stop.choices.some((choice) => choice.right && choice.text === answered)
      : numberOf(answered) === stop.number;
  const correct = stop.number === null ? stop.choices.find((choice) => choice.right)?.text : formatNumber(stop.number);
  const verdict = right ? "Yes." : `No: ${correct}.`;
  const link = createElement("a", { href, class: "see" }, `Open ${stop.cell} in the network →`);
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    follow();
  });
  const box = createElement("div", { class: `reveal ${right ? "is-right" : "is-wrong"}`, tabindex: -1, role: "status" });
  box.append(
    createElement("p", { class: "verdict" }, verdict),
    ...stop.reveal.map((text) => createElement("p", {}, text)),
    createElement("p", {}, link),
  );
  return box;
}
