import { operations } from "../../engine/operations.js";
import { formatNumber } from "../../explain/numbers.js";
import { createSvg, createElement } from "../../elements.js";
import { axis, dot, label, polyline, segment } from "../../figures/drawing.js";

/**
 * The graph of an activation function, with the point and the tangent at x. The tangent's slope multiplies the gradient.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 * @typedef {{x(value: number): number, y(value: number): number}} Axes
 */

const [WIDTH, HEIGHT, EDGE, POINTS] = [560, 320, 28, 240];

/** @param {PanelContext} context */
export function curveOf(context) {
  const { curve, layer } = context.explanation;
  if (!curve) throw new Error(`${context.explanation.cell} has no curve`);
  const reach = Math.max(3, Math.abs(curve.x) * 1.25);
  const slope =
    context.trace.description.plan.forward.find(
      (operation) => operation.name === curve.function && operation.writes[0].name.startsWith(`${layer}.`),
    )?.attributes ?? {};
  const x = Float64Array.from({ length: POINTS + 1 }, (_, at) => -reach + (2 * reach * at) / POINTS);
  const [{ data }] = operations[curve.function]([{ shape: [1, x.length], data: x }], slope);
  const [low, high] = [Math.min(0, ...data), Math.max(0, ...data)];
  const room = (high - low || 1) * 0.12;
  /** @type {Axes} */
  const axes = {
    x: axis(-reach, reach, EDGE, WIDTH - EDGE),
    y: axis(low - room, high + room, HEIGHT - EDGE, EDGE),
  };
  const picture = createSvg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "computation-curve",
      role: "img",
      "aria-label": `${curve.function}: at x = ${formatNumber(curve.x)}, ${formatNumber(curve.y)}, slope ${formatNumber(curve.slope)}`,
    },
    ...axisLines(axes, reach, low, high),
    polyline("computation-line", Array.from(x, (value, at) => [axes.x(value), axes.y(data[at])])),
    ...pointOf(curve, axes, reach),
  );
  return createElement("figure.computation-curve-room", picture, legend(curve));
}

/** @param {Axes} axes @param {number} reach @param {number} low @param {number} high */
function axisLines(axes, reach, low, high) {
  return [
    segment("computation-axis", axes.x(-reach), axes.y(0), axes.x(reach), axes.y(0)),
    segment("computation-axis", axes.x(0), axes.y(low), axes.x(0), axes.y(high)),
    label("x", axes.x(reach), axes.y(0) + 18, "end"),
    label("y", axes.x(0) + 8, axes.y(high) + 4),
  ];
}

/** @param {{x: number, y: number, slope: number}} curve @param {Axes} axes @param {number} reach */
function pointOf({ x, y, slope }, axes, reach) {
  const half = reach * 0.35;
  return [
    createSvg("path", { class: "computation-guide", d: `M${axes.x(x)} ${axes.y(0)}V${axes.y(y)}H${axes.x(0)}` }),
    segment("computation-tangent", axes.x(x - half), axes.y(y - slope * half), axes.x(x + half), axes.y(y + slope * half)),
    dot("computation-point", axes.x(x), axes.y(y), 6),
  ];
}

/** @param {{x: number, y: number, slope: number}} curve */
function legend({ x, y, slope }) {
  const pair = (/** @type {string} */ name, /** @type {number} */ value, /** @type {string} */ kind) => [
    createElement("dt", { class: kind }, name),
    createElement("dd", { class: kind }, formatNumber(value)),
  ];
  return createElement(
    "dl.computation-legend",
    ...pair("x", x, ""),
    ...pair("y", y, ""),
    ...pair("slope", slope, "computation-tangent-key"),
  );
}
