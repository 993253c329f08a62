/** The network's output, or its mean over all pixels: a bar for each class, and the most likely class by name. */

import { briefNumber, percent } from "../../numbers_brief.js";
import { createElement, setText } from "../../elements.js";
import { placeOfLargest } from "../../engine/tensor.js";
import { classOf } from "../../engine/trace.js";
import { passWords } from "../../passes.js";
import { isDense } from "./label.js";

const MAX_SHOWN = 12; // of more classes, the most likely ones

export class Bars {
  /** @type {{row: HTMLElement, name: HTMLElement, bar: HTMLElement, share: HTMLElement}[]} */
  #rows = [];

  /** @param {import("../../types.js").Description} description */
  constructor(description) {
    const { classes, measure, outputs } = description;
    this.description = description;
    this.outputs = outputs;
    this.classes = classes;
    this.measure = measure;
    this.isMean = isDense(description);
    this.winner = createElement("p.winner", { "aria-live": "polite" });
    const list = createElement("ol.bars", { "aria-label": this.isMean ? "Mean probability of each class" : "Probability of each class" });
    this.#rows = classes.slice(0, MAX_SHOWN).map(() => newRow(list));
    this.element = createElement("div.input-answer", this.winner, list, createElement("p.note", passWords(description).use));
  }

  /** @param {number[] | null} probabilities  null for an empty image @param {number | null} label  the correct class */
  show(probabilities, label) {
    this.element.classList.toggle("empty", probabilities === null);
    if (probabilities === null) return setText(this.winner, "Nothing drawn yet");
    const best = classOf(probabilities, this.description);
    const isNumbers = this.measure === "mean_absolute_error";
    const shown = isNumbers ? briefNumber : percent;
    const words = this.words(probabilities, best);
    setText(this.winner, words.replaceAll(" %", "\u00a0%"));
    const order = this.classes.map((_, k) => k);
    if (order.length > MAX_SHOWN) order.sort((a, b) => probabilities[b] - probabilities[a]);
    this.#rows.forEach(({ row, name, bar, share: number }, place) => {
      const k = order[place];
      const probability = probabilities[k];
      setText(name, this.classes[k]);
      bar.style.transform = `scaleX(${isNumbers ? 0 : Math.min(1, Math.max(0, probability)) || 0})`;
      setText(number, shown(probability));
      row.classList.toggle("best", k === best && !isNumbers);
      row.classList.toggle("right", k === label && !isNumbers);
    });
    return undefined;
  }

  /** Returns a summary of the output in one line. @param {number[]} answers @param {number} best */
  words(answers, best) {
    if (this.outputs.length) return this.#several(answers);
    const mean = this.isMean ? "Mean over all pixels" : "";
    if (this.measure === "mean_absolute_error") return `${mean || "Output"}: ${answers.slice(0, MAX_SHOWN).map(briefNumber).join(", ")}`;
    if (this.measure === "label_accuracy" && !mean) {
      const predicted = this.classes.filter((_, k) => answers[k] >= this.description.thresholds[k]);
      return `Prediction: ${predicted.join(", ") || "no label"}`;
    }
    return `${mean || "Prediction"}: ${this.classes[best]}, ${percent(answers[best])}`;
  }

  /** Returns the most likely class of each output that has classes, and the numbers of the others. @param {number[]} answers */
  #several(answers) {
    let first = 0;
    const words = this.outputs.map(({ name, size, measure }) => {
      const own = answers.slice(first, (first += size));
      const best = placeOfLargest(own);
      return `${name}: ${measure === "accuracy" && size > 1 ? `${best}, ${percent(own[best])}` : own.map(briefNumber).join(", ")}`;
    });
    return words.join("; ");
  }
}

/** @param {HTMLElement} list */
function newRow(list) {
  const [name, bar, share] = ["name", "bar", "number"].map((kind) => createElement("span", { class: kind }));
  const row = createElement("li", name, createElement("span.track", bar), share);
  list.append(row);
  return { row, name, bar, share };
}
