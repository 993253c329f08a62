/**
 * The label of the image. Samples have a label. For other images the reader may choose one; the default is the
 * prediction.
 */

import { createElement, setText } from "../../elements.js";
import { fittedNumber } from "../../numbers_brief.js";
import { sampleNumber } from "../../source/samples.js";

/** @typedef {import("../../types.js").App} App */

const PREDICTION = "the prediction"; // the label for the gradient if none is chosen

export class Label {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const { classes } = app.description;
    const options = classes.map((name, k) => createElement("option", { value: k }, name));
    this.select = createElement("select", createElement("option", { value: "" }, PREDICTION), ...options);
    this.select.addEventListener("change", () => this.#choose());
    const digits = classes.every((name) => /^\d$/.test(name));
    this.words = createElement("p");
    this.ask = createElement("label", digits ? "Which digit is it?" : "What is it?", this.select);
    this.note = createElement("p.note");
    this.element = createElement("div.input-label", this.words, this.ask, this.note);
  }

  update() {
    const { picture, description } = this.app;
    if (!picture) return;
    const isSample = sampleNumber(picture.from) !== null || picture.place !== undefined;
    const name = picture.label === null ? "" : (description.classes[picture.label] ?? String(picture.label));
    const other = picture.from === "drawn" ? "Prepared as in MNIST" : picture.from;
    setText(this.words, isSample ? capital(picture.from) : other);
    this.ask.hidden = isSample;
    this.note.hidden = !isSample;
    const numbers = description.measure === "mean_absolute_error" && picture.target;
    setText(this.note, numbers ? `target: ${numbers.map(fittedNumber).join(", ")}` : `label: ${name}`);
    this.select.value = picture.label === null ? "" : String(picture.label);
    const own = this.app.trace?.picture.from === picture.from ? this.app.trace.picture.label : null;
    if (picture.label !== null || own === null) return;
    setText(this.select.options[0], `${PREDICTION}: ${description.classes[own]}`);
  }

  #choose() {
    const { picture } = this.app;
    if (!picture) return;
    this.app.show({ ...picture, label: this.select.value === "" ? null : Number(this.select.value) });
  }
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
