import { distinct, formatNumber } from "../../../explain/numbers.js";
import { valueOf } from "../../../explain/naming.js";
import { createSvg, createElement } from "../../../elements.js";
import { markCell } from "../letters.js";
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
  const x = (/** @type {number} */ value) => EDGE + ((value - low) / (2 * reach)) * (WIDTH - 2 * EDGE);
  const [from, to] = [x(before), x(after)];
  const tip = to > from ? -1 : 1;
  /** @type {SVGElement[]} */
  const parts = [
    createSvg("line", { class: "computation-axis", x1: EDGE / 2, x2: WIDTH - EDGE / 2, y1: 52, y2: 52 }),
    ...ticks(low, reach).map((value) =>
      createSvg("line", { class: "computation-axis", x1: x(value), x2: x(value), y1: 47, y2: 57 }),
    ),
    createSvg("circle", { class: "computation-was", cx: from, cy: 52, r: 6 }),
    createSvg("circle", { class: "computation-point", cx: to, cy: 52, r: 7 }),
    createSvg("text", { class: "computation-tick", x: from, y: 82, "text-anchor": "middle" }, "before"),
    createSvg("text", { class: "computation-tick", x: to, y: 82, "text-anchor": "middle" }, "after"),
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
