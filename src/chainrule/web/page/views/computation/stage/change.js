import { distinct, formatNumber } from "../../../explain/numbers.js";
import { valueOf } from "../../../explain/naming.js";
import { createSvg, createElement } from "../../../elements.js";
import { axis, dot, label, segment } from "../../../figures/drawing.js";
import { markCell } from "../letters.js";
import { fold } from "../fold.js";
import { numberLink } from "../links.js";
import { staticStage } from "./stage.js";

/**
 * A parameter before and after the optimizer's step, on a number line scaled to the step.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const [WIDTH, HEIGHT, EDGE] = [640, 96, 72];

/** @param {PanelContext} context @returns {Stage | null} null if the value before the step is unknown */
export function changeStage(context) {
  const { cell, value } = context.explanation;
  const earlier = cell.replace(".update", "");
  const before = valueOf(context.trace, earlier);
  if (before === null || earlier === cell) return null;
  const step = value - before;
  const old = createElement("span", "before ", numberLink(context, earlier, before, distinct(before, value)));
  markCell(old, earlier, context.explanation);
  const caption = createElement(
    "figcaption.computation-change-numbers",
    old,
    createElement("span", { class: step < 0 ? "computation-down" : "computation-up" }, `${step < 0 ? "" : "+"}${formatNumber(step)}`),
    createElement("span", "after ", createElement("b", distinct(value, before))),
  );
  return staticStage(createElement("figure.computation-factor.change", lineOf(before, value), caption));
}

/** @param {number} before @param {number} after */
function lineOf(before, after) {
  const reach = Math.abs(after - before) || Math.abs(before) || 1;
  const low = Math.min(before, after) - reach / 2;
  const x = axis(low, low + 2 * reach, EDGE, WIDTH - EDGE);
  const [from, to] = [x(before), x(after)];
  const tip = to > from ? -1 : 1;
  /** @type {SVGElement[]} */
  const parts = [
    segment("computation-axis", EDGE / 2, 52, WIDTH - EDGE / 2, 52),
    ...ticks(low, reach).map((value) => segment("computation-axis", x(value), 47, x(value), 57)),
    dot("computation-was", from, 52, 6),
    dot("computation-point", to, 52, 7),
    label("before", from, 82, "middle"),
    label("after", to, 82, "middle"),
  ];
  if (from !== to) {
    const head = `m${tip * 10} -7l${-tip * 10} 7l${tip} -12`;
    parts.push(createSvg("path", { class: "computation-tangent", d: `M${from} 34Q${(from + to) / 2} 6 ${to} 36${head}` }));
  }
  return createSvg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "computation-change-line",
      role: "img",
      "aria-label": `from ${distinct(before, after)} to ${distinct(after, before)}`,
    },
    ...parts,
  );
}

/** Returns the positions of ticks at multiples of a power of ten. @param {number} low @param {number} reach */
function ticks(low, reach) {
  const step = 10 ** Math.floor(Math.log10(reach));
  const positions = [];
  for (let at = Math.ceil(low / step); at * step <= low + 2 * reach && positions.length < 24; at += 1)
    positions.push(at * step);
  return positions;
}

/** Shows the weight to the last bit, as training stores it. @param {PanelContext} context @returns {Stage | null} */
export function storedStage({ explanation: { rounding, value } }) {
  if (rounding === undefined) return null;
  const exact = String(Number(value.toPrecision(9))).replace("-", "−");
  const words = `, with a rounding error of ${formatNumber(rounding)}. The next step starts from this value.`;
  return staticStage(fold("The stored float32 value", "computation-stored computation-caption", () => [createElement("b.number", exact), createElement("span", words)]));
}
