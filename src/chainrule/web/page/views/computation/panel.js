import { codeOf } from "./code.js";
import { controlsOf } from "./controls.js";
import { createElement } from "../../elements.js";
import { equationOf } from "./equation.js";
import { fold } from "./fold.js";
import { pathBar, titleOf, linksOf } from "./head.js";
import { lettersOf } from "./letters.js";
import { Player } from "./player.js";
import { Sequence } from "./sequence.js";
import { sourcesOf } from "./sources.js";
import { stageOf } from "./stage/choose.js";
import { TermTable } from "./terms.js";

/** The panel that shows how one cell is computed.
 *
 * @typedef {import("./stage/stage.js").PanelContext} PanelContext
 */

const [HEADER, BAR] = [48, 84]; // pixels; heights of the fixed header and of the timeline

/** @param {string} title @param {HTMLElement} content */
function folded(title, content) {
  const details = fold(title, "computation-fold", () => []);
  details.append(content);
  details.hidden = content.hidden;
  return details;
}

export class Panel {
  /**
   * @param {Omit<PanelContext, "sequence">} base
   * @param {string[]} path
   * @param {{back(): void, close(): void}} actions
   * @param {(text: string) => void} speak
   */
  constructor(base, path, actions, speak) {
    const context = { ...base, sequence: new Sequence(base.explanation.terms) };
    this.cell = context.explanation.cell;
    /** @type {import("../../types.js").Trace | null} */
    this.trace = context.trace;
    this.speak = speak;
    this.stage = stageOf(context);
    this.player = new Player(this.stage.count, () => this.#show());
    const ordered = context.explanation.terms.length > 1 && this.stage.count === context.sequence.count;
    this.controls = controlsOf(this.player, ordered ? context.sequence : null);
    this.controls.setSeconds(this.player.seconds);
    this.terms = context.explanation.terms.length > 1 ? new TermTable(context, (done) => this.player.to(done)) : null;
    this.title = titleOf(context);
    const text = createElement(
      "div.computation-text",
      createElement("div.computation-head", this.title, linksOf(context)),
      equationOf(context.explanation, lettersOf(context.explanation), context.hover),
    );
    const show = createElement("div.computation-show", this.stage.element, this.controls.element);
    const foot = createElement(
      "div.computation-foot",
      ...(this.terms ? [folded(this.terms.title, this.terms.element)] : [folded("Computed from", sourcesOf(context))]),
      folded("In the code", codeOf(context.explanation)),
    );
    foot.hidden = !context.explanation.sources.length && !context.explanation.code.length;
    this.element = createElement("div.computation-panel", pathBar(context, path, actions), text, show, foot);
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

  /** Scrolls to the top of the panel unless it is entirely visible. A window that embeds the page is not scrolled. */
  reveal() {
    const place = this.element.parentElement ?? this.element;
    const { top, bottom } = place.getBoundingClientRect();
    if (top >= HEADER && bottom <= innerHeight - BAR) return;
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
