/**
 * Why a weight changed in a training step: the question and its causes.
 *
 * @typedef {import("../../types.js").App} App
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").BatchStep} BatchStep
 * @typedef {import("../../explain/change.js").Change} Change
 */

import { button, createElement } from "../../elements.js";
import { gradientName, isCoupled } from "../../engine/interpreter.js";
import { byMagnitude, largestMagnitude, ravel, sizeOf } from "../../engine/tensor.js";
import { inUnits } from "../../engine/trace.js";
import { errorMessage } from "../../error_message.js";
import { changeOf, changeWords, shareDecimals } from "../../explain/change.js";
import { parted, valueOf } from "../../explain/naming.js";
import { asPrinted, decimalsOf, decimalsThatAdd, digitsThat, exactNumber, fixed, formatNumber } from "../../explain/numbers.js";
import { signedBar } from "../../figures/bar.js";
import { pictureCanvas } from "../../figures/picture.js";
import { counted, percent } from "../../numbers_brief.js";
import { batchPicture, labelName } from "../../source/samples.js";
import { cellButton } from "../../figures/cell_button.js";
import { passWords } from "../../passes.js";

const SHOWN = 12; // images with the largest contributions
/** @type {Set<string>} */
const opened = new Set(); // kinds of the open lines, which stay open when another image is shown
let isBrowsing = false; // whether an image of the list was chosen, so that it has the focus in the new list

/**
 * Returns the elements of the question, and those of the causes of the change.
 * @param {App} app @param {Trace} trace @param {string} weight
 * @param {number[] | null} contributions  of the images of a batch whose samples depend on each other, to the gradient; null if
 *   they are independent or not yet known
 */
export function questionOf(app, trace, weight, contributions) {
  const { tensor, index } = parted(weight);
  const change = trace.values.has(`${tensor}.update`) ? changeOf(trace, tensor, index) : null;
  const [before, after] = [weight, weight.replace("[", ".update[")].map((cell) => valueOf(trace, cell));
  if (!change || before === null || after === null) {
    return { question: [createElement("p", `${weight} is not a weight that this step changes.`)], causes: [] };
  }
  const question = new Question(app, trace, weight, [before, after], change, contributions);
  return { question: question.head(), causes: question.causes() };
}

class Question {
  /**
   * @param {App} app @param {Trace} trace @param {string} weight @param {number[]} values  of the weight, before and after the step
   * @param {Change} change @param {number[] | null} contributions
   */
  constructor(app, trace, weight, values, change, contributions) {
    this.app = app;
    this.trace = trace;
    this.weight = weight;
    this.values = values;
    this.change = change;
    this.batch = /** @type {BatchStep} */ (trace.batch);
    this.gradient = weight.replace(parted(weight).tensor, gradientName(parted(weight).tensor));
    this.isCoupled = isCoupled(trace.description);
    this.image = this.isCoupled && !contributions ? null : app.place.image;
    this.share = this.image === null ? 0 : (contributions?.[this.image] ?? (valueOf(trace, this.gradient) ?? 0) / this.batch.numbers.length);
    this.ofImage = change.perGradient * this.share;
    const shares = [change.memory, change.batch, change.decay, this.ofImage];
    this.oneWay = shares.every((share) => share >= 0) || shares.every((share) => share <= 0);
    const whole = Math.max(Math.abs(change.total), Math.abs(change.memory + this.ofImage)); // an image may outweigh the others
    this.most = (this.oneWay ? whole : Math.max(...shares.map(Math.abs))) || 1;
    const parts = [change.memory, change.batch, change.decay];
    const sums = [[change.total, ...parts], [change.batch, this.ofImage, change.batch - this.ofImage], [values[1], values[0], change.total]];
    this.decimals = decimalsThatAdd(decimalsOf(change.total), sums);
    this.percentDecimals = shareDecimals(change);
  }

  head() {
    const { change, weight } = this;
    const values = this.values.map((value) => fixed(value, this.decimals)).join(" to ");
    const head = createElement("h2", { tabindex: -1, title: this.values.map(exactNumber).join(" to ") }, `This weight went from ${values}. Why?`);
    const about = createElement("p.story-meta", cellButton(this.app, weight, weight), `, from step ${this.batch.step} to step ${this.batch.step + 1}`);
    const where = createElement("p", "Open one of the causes below. Together they add up to the change, ", this.#number(change.total), ".");
    return [createElement("div.story-question", about, head), where];
  }

  /** The causes of the change: lines that open in place. */
  causes() {
    const { change } = this;
    const lines = [];
    if (change.memory) lines.push(this.#line("Gradients of earlier steps", change.memory, "memory", () => this.#earlier()));
    lines.push(this.#line(`This batch of ${counted(this.batch.numbers.length, "image")}`, change.batch, "batch", () => this.#ofBatch()));
    if (this.image !== null) lines.push(this.#ofImage(this.image));
    if (change.decay) lines.push(this.#line("Weight decay", change.decay, "decay", () => [createElement("p", this.#calculation())]));
    return lines.flat();
  }

  /**
   * Creates a line and the detail that it opens.
   * @param {string} words @param {number} value @param {string} kind @param {() => (Node | string)[]} content @param {HTMLElement[]} icons
   */
  #line(words, value, kind, content, icons = []) {
    const from = { memory: 0, decay: this.change.memory + this.change.batch }[kind] ?? this.change.memory;
    const isOpen = opened.has(kind);
    const detail = createElement("div.story-detail", { id: `cause-${kind}`, hidden: !isOpen }, ...(isOpen ? content() : []));
    const attributes = { class: `story-cause ${kind}`, "aria-expanded": String(isOpen), "aria-controls": detail.id };
    const line = button("", () => this.#open(line, detail, content), attributes);
    const share = createElement("span.number.story-share", `${fixed((100 * value) / this.change.total, this.percentDecimals)}\u00a0% of the change`);
    line.append(createElement("span.story-words", ...icons, words), share, this.#number(value), signedBar(value, this.most, this.oneWay ? from : null));
    return [line, detail];
  }

  /** Opens or closes a line. @param {HTMLElement} line @param {HTMLElement} detail @param {() => (Node | string)[]} content */
  #open(line, detail, content) {
    if (!detail.childElementCount) detail.append(...content());
    toggle(line, Boolean(detail.hidden));
  }

  /** @param {number} value */
  #number(value) {
    return createElement("b.number", { title: exactNumber(value) }, this.#signed(value));
  }

  /** @param {number} value */
  #signed(value) {
    return (value < 0 ? "" : "+") + fixed(value, this.decimals);
  }

  /**
   * Describes the change due to a number.
   * @param {number} number  a gradient, or the moment of earlier gradients @param {"factor" | "recall"} kind
   * @param {boolean} isExplained  whether to say what the factor contains
   * @returns {[number, (Node | string)[]]}  the digits with which the number is to be shown, and the words
   */
  #effect(number, kind, isExplained = true) {
    const { tensor, index } = parted(this.weight);
    const factor = kind === "factor" ? this.change.perGradient : this.change.perMoment;
    const value = number * factor;
    const digits = digitsThat((n) => this.#signed(asPrinted(number, n) * asPrinted(factor, n)) === this.#signed(value));
    const origin = `${changeWords(this.trace, tensor, index, "factor")}; it is negative because the step goes downhill.`;
    const name = isExplained ? "" : "the batch’s factor, ";
    return [digits, [`Times ${formatNumber(factor, digits)}, ${name}that changes the weight by `, this.#number(value), ". ", isExplained ? origin : ""]];
  }

  /** Explains the optimizer's memory. */
  #earlier() {
    const { operations, optimizer } = this.trace.description;
    const { tensor, index } = parted(this.weight);
    const moment = this.weight.replace(tensor, `${tensor}.${operations[optimizer.operation].moment}`);
    const value = valueOf(this.trace, moment) ?? 0;
    const [digits, effect] = this.#effect(value, "recall");
    const memory = changeWords(this.trace, tensor, index, "remembers");
    return [createElement("p", memory, cellButton(this.app, moment, formatNumber(value, digits)), ". ", ...effect, " ", this.#calculation())];
  }

  #calculation() {
    return cellButton(this.app, this.weight.replace("[", ".update["), "Show the whole calculation");
  }

  /** Explains the gradient of the batch, and shows its images. */
  #ofBatch() {
    const { tensor } = parted(this.weight);
    const cell = this.weight.replace(tensor, `${tensor}.g`);
    const gradient = valueOf(this.trace, cell) ?? 0;
    const larger = gradient < 0 ? "smaller" : "larger";
    const [digits, effect] = this.#effect(gradient, "factor");
    const list = createElement("ol.story-images");
    void this.#fill(list);
    return [
      createElement("p", "Averaged over the batch, the gradient of this weight is ", cellButton(this.app, cell, formatNumber(gradient, digits)), `: a larger weight would make the loss ${larger}. `, ...effect, " The images contribute:"),
      list,
    ];
  }

  /** @param {HTMLElement} list */
  async #fill(list) {
    try {
      const changes = await this.#changes();
      const order = byMagnitude(changes);
      const most = Math.abs(changes[order[0]]) || 1;
      const rest = order.slice(SHOWN).reduce((sum, n) => sum + changes[n], 0);
      list.replaceChildren(...order.slice(0, SHOWN).map((n) => createElement("li", this.#imageButton(n, changes[n], most))));
      if (isBrowsing) list.querySelector(/** @type {"button"} */ ("[aria-pressed=true]"))?.focus({ preventScroll: true });
      isBrowsing = false;
      if (order.length > SHOWN) list.after(createElement("p.story-meta", `${order.length - SHOWN} other images together: `, this.#number(rest)));
    } catch (error) {
      list.replaceChildren(createElement("li", errorMessage(error)));
    }
  }

  /** Returns the change of the weight due to each image of the batch. */
  async #changes() {
    const { tensor, index } = parted(this.weight);
    const flat = ravel(index, this.trace.description.shapes[tensor]);
    const [contributions] = await this.app.source.contributions(this.batch.step, tensor, [flat]);
    return contributions.map((contribution) => contribution * this.change.perGradient);
  }

  /** @param {number} n @param {number} value @param {number} most */
  #imageButton(n, value, most) {
    const show = () => {
      isBrowsing = n !== this.image;
      this.app.go({ image: n, sample: null, phase: "backward" });
    };
    const label = this.#label(n);
    const title = `${label ? `Class ${label}: ` : ""}${formatNumber(value)} of the change`;
    const attributes = { class: "story-image", "aria-pressed": String(n === this.image), title, "aria-label": `Image ${n}. ${title}` };
    return button("", show, attributes, this.#picture(n), signedBar(value, most));
  }

  /** @param {number} n */
  #picture(n) {
    const { input_shape: shape } = this.trace.description;
    return pictureCanvas(batchPicture(this.batch, n)?.x ?? new Uint8Array(sizeOf(shape)), shape);
  }

  /** @param {number} n */
  #label(n) {
    return labelName(this.trace.description, this.batch.labels?.[n]);
  }

  /** Creates the line of the shown image. @param {number} n */
  #ofImage(n) {
    const label = this.#label(n);
    const count = this.batch.numbers.length;
    const gradient = this.share * count;
    return this.#line(label ? `of these, this “${label}”` : "of these, this image", this.ofImage, "image", () => this.#image(gradient, count, label), [this.#picture(n)]);
  }

  /**
   * Says what the network gives instead of the target: for the class of the image or, without one, for the output with the
   * largest error. Returns "" if the outputs are scores.
   * @param {string} label
   */
  #error(label) {
    const { description, values, picture } = this.trace;
    const { layers, measure, recipe: { loss } } = description;
    const [y, t] = [`${layers[layers.length - 1].name}.y`, "t"].map((name) => values.get(name)?.data ?? []);
    const isNumbers = measure === "mean_absolute_error";
    if (y.length !== t.length || (!isNumbers && /^s(?:oftmax|igmoid)_/u.test(loss))) return "";
    const positions = sizeOf(layers[layers.length - 1].output.slice(1));
    const at = label && picture.label !== null && picture.label < y.length ? picture.label : largestMagnitude(Array.from(y, (value, k) => value - t[k]));
    const k = Math.floor(at / positions);
    const [output, target] = [y, t].map((outputs) => {
      const own = Array.from({ length: outputs.length / positions }, (_, c) => outputs[c * positions + (at % positions)]);
      return isNumbers ? formatNumber(inUnits(description, own)[k]) : percent(own[k]);
    });
    const place = positions > 1 ? `At position ${at % positions} of ${positions}, the` : "The";
    const { training } = passWords(description);
    const name = isNumbers ? (y.length > positions ? ` for output ${k}` : "") : ` “${labelName(description, y.length === positions ? 1 : k)}”`;
    return `${place} network gives${isNumbers ? "" : name} ${output} instead of ${target}${isNumbers ? name : ""}. ${training && `${training} `}This error goes back through the network. `;
  }

  /** @param {number} gradient @param {number} count @param {string} label */
  #image(gradient, count, label) {
    const error = this.#error(label);
    const [digits, effect] = this.#effect(gradient / count, "factor", false);
    const part = formatNumber(gradient / count, digits);
    const enough = digitsThat((n) => formatNumber(asPrinted(gradient, n) / count, digits) === part);
    const arriving = this.isCoupled ? formatNumber(gradient, enough) : cellButton(this.app, this.gradient, formatNumber(gradient, enough));
    const alone = this.isCoupled ? "The gradient is that of the image in its batch; the network shows the image alone. " : "";
    return [createElement("p", `${error}Arriving at the weight, it is this image’s gradient, `, arriving, `. As 1 of ${count} images, it adds ${part} to the mean gradient. `, ...effect, " The other images add ", this.#number(this.change.batch - this.ofImage), ". ", alone)];
  }
}

/** Opens or closes a line. @param {Element} line @param {boolean} isOpen */
function toggle(line, isOpen) {
  const detail = /** @type {HTMLElement} */ (line.nextElementSibling);
  line.setAttribute("aria-expanded", String(isOpen));
  detail.hidden = !isOpen;
  const kind = detail.id.replace("cause-", "");
  if (isOpen) opened.add(kind);
  else opened.delete(kind);
}
