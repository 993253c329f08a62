/** The input: a drawn digit or a sample. The output is updated immediately. */

import { button, createElement } from "../../elements.js";
import { onTheme } from "../../theme.js";
import { sizeOf } from "../../engine/tensor.js";
import { errorMessage } from "../../error_message.js";
import { Bars } from "./bars.js";
import { inkAsMnist } from "./digits.js";
import { Label, isOfDigits } from "./label.js";
import { Pad } from "./pad.js";
import { SampleDialog } from "./samples.js";
import { pictureCanvas } from "../../figures/picture.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Picture} Picture */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const view = new InputView(element, app);
  app.listen("place", () => view.update());
  app.listen("trace", () => view.update());
  onTheme(() => view.repaint());
}

class InputView {
  /** @type {Picture | null} */
  #picture = null;
  /** @type {Picture | null} */
  #drawing = null;

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.label = new Label(app);
    this.bars = new Bars(app.description);
    this.pad = isOfDigits(app.description) ? new Pad((ink) => this.#drawn(ink)) : null;
    this.inputImage = createElement("div", { class: this.pad ? "seen" : "seen large" });
    const about = createElement("div.input-about", this.inputImage, this.label.element);
    this.message = createElement("p.input-trouble", { role: "alert" });
    if (this.pad) element.append(this.#padFrame(this.pad));
    element.append(this.#choices(), this.message, about, this.bars.element);
  }

  update() {
    const { picture } = this.app;
    if (!picture) return;
    if (picture !== this.#picture) this.#show(picture);
    this.label.update();
    const probabilities = this.app.answer(picture);
    const isEmpty = this.pad !== null && picture.from === "drawn" && picture.x.every((byte) => byte === 0);
    if (probabilities) this.bars.show(isEmpty ? null : probabilities, picture.label);
  }

  repaint() {
    this.#showInput();
    this.label.repaint();
    this.pad?.paint();
  }

  /** Shows the image as the network receives it. */
  #showInput() {
    const { picture } = this.app;
    if (picture) this.inputImage.replaceChildren(pictureCanvas(picture.x, this.app.description.input_shape));
  }

  /** @param {Picture} picture */
  #show(picture) {
    const isDrawn = this.#drawing !== null && picture.x === this.#drawing.x;
    this.#picture = picture;
    this.#showInput();
    this.inputImage.hidden = this.pad !== null && !isDrawn; // the pad shows drawings
    if (!isDrawn) this.pad?.show(picture, this.app.description.input_shape);
    this.hint?.toggleAttribute("hidden", isDrawn && this.pad?.strokes.length !== 0);
  }

  /** Shows an empty image, to remove the output of the previous one. */
  #clear() {
    this.#showDrawing(new Uint8Array(sizeOf(this.app.description.input_shape)), null);
  }

  /** @param {import("./gray.js").Gray} ink */
  #drawn(ink) {
    this.#showDrawing(inkAsMnist(ink), this.app.picture?.from === "drawn" ? this.app.picture.label : null);
  }

  /** @param {Uint8Array} x @param {number | null} label */
  #showDrawing(x, label) {
    this.#say("");
    this.#drawing = { x, label, from: "drawn" };
    this.app.show(this.#drawing);
    this.update();
  }

  /** @param {Pad} pad */
  #padFrame(pad) {
    const hint = createElement("p.hint", "Draw here");
    this.hint = hint;
    const clear = () => {
      pad.clear();
      this.#clear();
    };
    return createElement("div.input-pad", pad.canvas, hint, button("Clear", clear, { class: "plain" }));
  }

  #choices() {
    const dialog = new SampleDialog(this.app);
    const row = createElement(
      "div.input-choices",
      button("‹", () => this.#step(-1), { "aria-label": "Previous sample" }),
      button("›", () => this.#step(1), { "aria-label": "Next sample" }),
      button("Samples", () => dialog.open().catch((error) => this.#say(error.message))),
    );
    return row;
  }

  /** @param {number} by */
  async #step(by) {
    try {
      const { count } = await this.app.source.samples();
      const { sample } = this.app.place;
      this.app.go({ sample: sample === null ? 0 : (sample + by + count) % count });
    } catch (error) {
      this.#say(errorMessage(error));
    }
  }

  /** @param {string} words */
  #say(words) {
    this.message.textContent = words;
  }
}
