/**
 * A plot with its title, its current value and, for several lines, a legend.
 *
 * @import {Content, Line} from "./plot.js"
 * @import {Scale} from "./scales.js"
 */
import { createElement } from "../../elements.js";
import { Plot } from "./plot.js";
import { whole } from "../../numbers_brief.js";
import { brief } from "./words.js";

export class Panel {
  /**
   * @param {string} title @param {string} name
   * @param {(step: number | null, chosen: boolean) => void} pointed
   */
  constructor(title, name, pointed) {
    this.title = title;
    this.plot = new Plot(title, pointed);
    this.number = createElement("span.train-number");
    const caption = createElement("figcaption", createElement("span.train-title", title), this.number);
    this.keys = createElement("ul.train-legend", { hidden: true });
    this.element = createElement("figure", { class: `train-plot ${name}` }, caption, this.plot.element, this.keys);
  }

  /**
   * @param {Line[]} lines @param {(lines: Line[]) => Scale} scaleOf
   * @param {Omit<Content, "lines" | "scale">} content @param {boolean} curves @param {string} number
   */
  show(lines, scaleOf, content, curves, number) {
    this.number.textContent = number;
    const old = this.plot.content;
    if (!curves && old) {
      this.plot.point({ ...old, ...content });
      return;
    }
    this.plot.draw({ ...content, lines, scale: scaleOf(lines) });
    const [first, last] = [content.origin + 1, content.newest];
    const steps = last < first ? "no steps yet" : `steps ${whole(first)} to ${whole(last)}, now ${number || "below"}`;
    this.plot.base.setAttribute("aria-label", `${this.title}: ${steps}`);
  }

  /** @param {Line[]} lines @param {Map<string, number>} values */
  legend(lines, values) {
    this.keys.hidden = lines.length === 0;
    this.keys.replaceChildren(
      ...lines.map(({ name, color, dash }) => {
        const swatch = createElement("span", { class: `train-swatch train-dash-${dash[0] ?? 0}`, "--color": `var(${color})` });
        const number = createElement("span.train-number", brief(values.get(name) ?? NaN));
        return createElement("li", swatch, createElement("span.train-name", name), number);
      }),
    );
  }
}
