import { operations } from "../../../engine/operations.js";
import { formatNumber } from "../../../explain/numbers.js";
import { createSvg, createElement } from "../../../elements.js";

/**
 * The graph of an activation function, with the point and the tangent at x. The tangent's slope multiplies the gradient.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{x(value: number): number, y(value: number): number}} Axes
 */

const [WIDTH, HEIGHT, EDGE, POINTS] = [560, 320, 28, 240];

/** @param {PanelContext} context @returns {Stage} */
export function curveStage(context) {
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
    x: (value) => EDGE + ((value + reach) / (2 * reach)) * (WIDTH - 2 * EDGE),
    y: (value) => HEIGHT - EDGE - ((value - low + room) / (high - low + 2 * room)) * (HEIGHT - 2 * EDGE),
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
    path(x, data, axes),
    ...pointOf(curve, axes, reach),
  );
  return {
    element: createElement("figure.computation-curve-room", picture, legend(curve)),
    count: 0,
    show() {},
    say: () => "",
  };
}

/** @param {Axes} axes @param {number} reach @param {number} low @param {number} high */
function axisLines(axes, reach, low, high) {
  return [
    createSvg("line", { class: "computation-axis", x1: axes.x(-reach), x2: axes.x(reach), y1: axes.y(0), y2: axes.y(0) }),
    createSvg("line", { class: "computation-axis", x1: axes.x(0), x2: axes.x(0), y1: axes.y(low), y2: axes.y(high) }),
    createSvg("text", { class: "computation-tick", x: axes.x(reach), y: axes.y(0) + 18, "text-anchor": "end" }, "x"),
    createSvg("text", { class: "computation-tick", x: axes.x(0) + 8, y: axes.y(high) + 4 }, "y"),
  ];
}

/** @param {Float64Array} x @param {ArrayLike<number>} y @param {Axes} axes */
function path(x, y, axes) {
  const places = Array.from(x, (value, at) => `${axes.x(value).toFixed(1)} ${axes.y(y[at]).toFixed(1)}`);
  return createSvg("path", { class: "computation-line", d: `M${places.join("L")}` });
}

/** @param {{x: number, y: number, slope: number}} curve @param {Axes} axes @param {number} reach */
function pointOf({ x, y, slope }, axes, reach) {
  const half = reach * 0.35;
  return [
    createSvg("path", { class: "computation-guide", d: `M${axes.x(x)} ${axes.y(0)}V${axes.y(y)}H${axes.x(0)}` }),
    createSvg("line", {
      class: "computation-tangent",
      x1: axes.x(x - half),
      x2: axes.x(x + half),
      y1: axes.y(y - slope * half),
      y2: axes.y(y + slope * half),
    }),
    createSvg("circle", { class: "computation-point", cx: axes.x(x), cy: axes.y(y), r: 6 }),
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
