import { codeOf } from "./code.js";
import { controlsOf } from "./controls.js";
import { createElement } from "../../elements.js";
import { equationOf } from "./equation.js";
import { fold } from "./fold.js";
import { pathBar, titleOf, waysOf } from "./head.js";
import { lettersOf } from "./letters.js";
import { Player } from "./player.js";
import { Sequence } from "./sequence.js";
import { sourcesOf } from "./sources.js";
import { stageOf } from "./stage/choose.js";
import { TermTable } from "./terms.js";

/** The panel that shows how one cell is computed.
 *
 * @typedef {import("./stage/stage.js").Making} Making
 */

const HEADER = 48; // pixels of the page's head, which stays

/** @param {string} title @param {HTMLElement} content */
function folded(title, content) {
  const made = fold(title, "computation-fold", () => []);
  made.append(content);
  made.hidden = content.hidden;
  return made;
}

export class Panel {
  /**
   * @param {Omit<Making, "sequence">} given
   * @param {string[]} path
   * @param {{back(): void, close(): void}} act
   * @param {(text: string) => void} speak
   */
  constructor(given, path, act, speak) {
    const making = { ...given, sequence: new Sequence(given.explanation.terms) };
    this.cell = making.explanation.cell;
    /** @type {import("../../types.js").Trace | null} */
    this.trace = making.trace;
    this.speak = speak;
    const choose = (/** @type {number} */ done) => this.player.to(done);
    this.stage = stageOf(making, choose);
    this.player = new Player(this.stage.count, () => this.#show());
    const ordered = making.explanation.terms.length > 1 && this.stage.count === making.sequence.count;
    this.controls = controlsOf(this.player, ordered ? making.sequence : null);
    this.controls.setSeconds(this.player.seconds);
    this.terms = making.explanation.terms.length > 1 ? new TermTable(making, choose) : null;
    this.title = titleOf(making);
    const text = createElement(
      "div",
      { class: "computation-text" },
      createElement("div", { class: "computation-head" }, this.title, waysOf(making)),
      equationOf(making.explanation, lettersOf(making.explanation), making.hover),
    );
    const show = createElement("div", { class: "computation-show" }, this.stage.element, this.controls.element);
    const foot = createElement(
      "div",
      { class: "computation-foot" },
      ...(this.terms ? [folded(this.terms.title, this.terms.element)] : [folded("Computed from", sourcesOf(making))]),
      folded("In the code", codeOf(making.explanation)),
    );
    foot.hidden = !making.explanation.sources.length && !making.explanation.code.length;
    this.element = createElement("div", { class: "computation-panel" }, pathBar(making, path, act), text, show, foot);
  }

  /**
   * Continues at the position of the previous panel if it showed the same cell.
   * @param {number | null} position
   * @param {number} [seconds]
   * @param {boolean} [playing]
   */
  begin(position, seconds, playing) {
    this.player.position = position === null || position > this.player.count ? null : position;
    if (seconds) this.controls.setSeconds(seconds);
    this.#show();
    if (playing) this.player.play();
  }

  end() {
    this.player.pause(false);
  }

  focus() {
    const name = /** @type {HTMLElement | null} */ (this.title.querySelector("h2"));
    name?.focus({ preventScroll: true });
  }

  /** Scrolls its own window, not one that embeds it, until the panel begins at the top, unless all of it is visible. */
  reveal() {
    const place = this.element.parentElement ?? this.element;
    const { top, bottom } = place.getBoundingClientRect();
    if (top >= HEADER && bottom <= innerHeight) return;
    const head = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    scrollBy({ top: top - head, behavior: "instant" });
  }

  #show() {
    const { done, position, playing } = this.player;
    const stepping = position !== null;
    this.stage.show(done, stepping, this.player.quick);
    if (!playing) this.terms?.show(done, stepping);
    this.controls.show();
    if (stepping && !playing) this.speak(this.stage.say(done));
  }
}
