import { codeOf } from "./code.js";
import { controlsOf } from "./controls.js";
import { createElement } from "../../elements.js";
import { equationOf } from "./equation.js";
import { pathBar, titleOf, waysOf } from "./head.js";
import { Player } from "./player.js";
import { sourcesOf } from "./sources.js";
import { stageOf } from "./stage/choose.js";
import { TermTable } from "./terms.js";

/** The panel that shows how one cell is computed.
 *
 * @typedef {import("./stage/stage.js").Making} Making
 */

const LONGEST_PLAY = 30;

export class Panel {
  /**
   * @param {Making} making
   * @param {string[]} path
   * @param {{back(): void, close(): void}} act
   * @param {(text: string) => void} speak
   */
  constructor(making, path, act, speak) {
    this.cell = making.explanation.cell;
    /** @type {import("../../types.js").Trace | null} */
    this.trace = making.trace;
    this.speak = speak;
    const choose = (/** @type {number} */ done) => this.player.to(done);
    this.stage = stageOf(making, choose);
    this.player = new Player(this.stage.count, () => this.#show());
    this.controls = controlsOf(this.player);
    this.controls.setRate(Math.max(4, Math.round(this.stage.count / LONGEST_PLAY)));
    this.terms = making.explanation.terms.length > 1 ? new TermTable(making, choose) : null;
    this.title = titleOf(making);
    const text = createElement(
      "div",
      { class: "made-text" },
      createElement("div", { class: "made-head" }, this.title, waysOf(making)),
      equationOf(making.explanation),
    );
    const show = createElement("div", { class: "made-show" }, this.stage.element, this.controls.element);
    const foot = createElement(
      "div",
      { class: "made-foot" },
      ...(this.terms ? [this.terms.element] : [sourcesOf(making)]),
      codeOf(making.explanation),
    );
    foot.hidden = !making.explanation.sources.length && !making.explanation.code.length;
    this.element = createElement("div", { class: "made-panel" }, pathBar(making, path, act), text, show, foot);
  }

  /**
   * Continues at the position of the previous panel if it showed the same cell.
   * @param {number | null} position
   * @param {number} [rate]
   * @param {boolean} [playing]
   */
  begin(position, rate, playing) {
    this.player.position = position === null || position > this.player.count ? null : position;
    if (rate) this.controls.setRate(rate);
    this.#show();
    if (playing) this.player.play();
  }

  end() {
    this.player.pause(false);
  }

  focus() {
    const name = /** @type {HTMLElement | null} */ (this.title.querySelector("h2"));
    name?.focus({ preventScroll: true });
    if (this.element.getBoundingClientRect().top < 0) this.element.scrollIntoView({ block: "start" });
  }

  /** Scrolls up a panel that begins below the window, as far as the map above it stays visible. */
  peek() {
    const { top } = this.element.getBoundingClientRect();
    if (top > innerHeight * 0.75) scrollBy({ top: top - innerHeight * 0.45 });
  }

  #show() {
    const { done, position, playing } = this.player;
    const stepping = position !== null;
    this.stage.show(done, stepping);
    if (!playing) this.terms?.show(done, stepping);
    this.controls.show();
    if (stepping && !playing) this.speak(this.stage.say(done));
  }
}
