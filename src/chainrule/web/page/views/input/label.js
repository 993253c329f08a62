/**
 * The label of the image, or the classes of its pixels. Samples have a label. For other images the reader may choose one,
 * which is that of every pixel in a dense target; the default is the prediction.
 */

import { createElement, setText } from "../../elements.js";
import { placeOfLargest, sizeOf } from "../../engine/tensor.js";
import { pictureCanvas } from "../../figures/picture.js";
import { inUnits } from "../../engine/trace.js";
import { briefNumber } from "../../numbers_brief.js";
import { labelName, sampleNumber } from "../../source/samples.js";
import { passWords } from "../../passes.js";

/** @typedef {import("../../types.js").App} App */

const PREDICTION = "the prediction"; // the label for the gradient if none is chosen

export class Label {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const { classes } = app.description;
    this.isDense = isDense(app.description);
    const options = classes.map((name, k) => createElement("option", { value: k }, name));
    this.select = createElement("select", createElement("option", { value: "" }, PREDICTION), ...options);
    this.select.addEventListener("change", () => this.#choose());
    this.isOfDigits = isOfDigits(app.description);
    this.words = createElement("p");
    const question = this.isOfDigits ? "Which digit is it?" : "What is it?";
    this.ask = createElement("label", this.isDense ? "Class of every pixel" : question, this.select);
    this.note = createElement("p.note");
    this.mask = createElement("div", { class: this.isDense ? "input-mask dense" : "input-mask" });
    this.element = createElement("div.input-label", this.words, this.ask, this.note, this.mask);
  }

  update() {
    const { picture, description } = this.app;
    if (!picture) return;
    const isSample = sampleNumber(picture.from) !== null || picture.place !== undefined;
    const drawn = this.isOfDigits ? "Prepared as in MNIST" : "All inputs are 0: there are no samples here";
    const other = picture.from === "drawn" ? drawn : picture.from;
    setText(this.words, isSample ? capital(picture.from) : other);
    const isRegression = description.measure === "mean_absolute_error";
    this.ask.hidden = isSample || isRegression;
    this.repaint();
    const numbers = isRegression && !this.isDense && picture.target && inUnits(description, picture.target);
    const answer = numbers ? `target: ${numbers.map(briefNumber).join(", ")}` : labelWords(picture, description);
    this.note.hidden = !isSample || this.isDense || !answer;
    setText(this.note, answer);
    this.select.value = picture.label === null ? "" : String(picture.label);
    const own = this.app.trace?.picture.from === picture.from ? this.app.trace.picture.label : null;
    if (picture.label !== null || own === null) return;
    setText(this.select.options[0], `${PREDICTION}: ${description.classes[own]}`);
  }

  /** Shows the classes of the pixels: those of the target, if the image has one, and those that the network predicts. */
  repaint() {
    const { picture, trace, description } = this.app;
    const { layers, measure } = description;
    const output = trace?.picture.x === picture?.x && trace?.values.get(`${layers[layers.length - 1].name}.y`)?.data;
    const { training } = passWords(description);
    const masks = { target: picture?.target, [training ? `prediction. ${training}` : "prediction"]: output && predictedClasses(output, description) };
    const shown = this.isDense && measure !== "mean_absolute_error" ? Object.entries(masks) : [];
    const figures = shown.map(([name, mask]) => mask && createElement("figure", maskCanvas(mask, description), createElement("figcaption", name)));
    this.mask.replaceChildren(...figures.flatMap((figure) => figure || []));
  }

  #choose() {
    const { picture } = this.app;
    if (!picture) return;
    this.app.show({ ...picture, label: this.select.value === "" ? null : Number(this.select.value) });
  }
}

/** Returns whether the network reads digits as in MNIST. @param {import("../../types.js").Description} description */
export function isOfDigits({ input_shape, normalization }) {
  return input_shape.join() === "1,28,28" && normalization.digits === true;
}

/** Returns whether each pixel has an output. @param {import("../../types.js").Description} description */
export function isDense({ plan }) {
  return (plan.target?.shape.length ?? 1) > 1;
}

/** Returns the label of an image, or the labels of its target; "" for other targets. @param {import("../../types.js").Picture} picture @param {import("../../types.js").Description} description */
function labelWords({ label, target }, description) {
  const { classes, thresholds } = description;
  if (thresholds.length > 1 && target) return `labels: ${classes.filter((_, k) => target[k] > 0).join(", ") || "none"}`;
  return label === null ? "" : `label: ${labelName(description, label)}`;
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/**
 * Returns 1 for the class that the output means at each position, else 0; of a single output, 1 for yes.
 *
 * @param {ArrayLike<number>} output @param {import("../../types.js").Description} description
 */
function predictedClasses(output, { plan, thresholds }) {
  const [K] = plan.target?.shape ?? [1];
  const size = output.length / K;
  if (K === 1) return Array.from(output, (value) => Number(value >= thresholds[0]));
  const best = Array.from({ length: size }, (_, at) => placeOfLargest(Array.from({ length: K }, (_, k) => output[k * size + at])));
  return Array.from(output, (_, at) => Number(best[at % size] === Math.floor(at / size)));
}

/**
 * Creates an image of a dense target: a shade for each class, darker for a later one. Pixels without a class are empty.
 *
 * @param {number[]} target @param {import("../../types.js").Description} description
 */
function maskCanvas(target, { plan }) {
  const [K, ...positions] = plan.target?.shape ?? [1];
  const size = sizeOf(positions);
  const shades = new Uint8Array(size);
  target.forEach((share, at) => {
    shades[at % size] += (255 * share * (Math.floor(at / size) + 1)) / K;
  });
  return pictureCanvas(shades, [1, ...positions]);
}
