import { layered, parted, valueOf } from "../../../explain/naming.js";
import { bracketed, formatNumber } from "../../../explain/numbers.js";
import { strongestPaths } from "../../../explain/paths.js";
import { createElement, createSvg } from "../../../elements.js";
import { inLectureMode } from "../../../lecture_mode.js";
import { fold } from "../fold.js";
import { staticStage } from "./stage.js";

/**
 * The strongest paths of a gradient, drawn from the error at the output to the weight. The width of a path shows its share.
 *
 * @typedef {import("../../../explain/paths.js").Path} Path
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {{cell: string, x: number, y: number}} Spot
 */

const COUNT = 5; // paths
const [COLUMN, ROW, TOP, EDGE] = [168, 58, 28, 84];
const WIDER = 1.4; // factor in lecture mode, since letters are larger
const [WIDEST, THINNEST] = [14, 1.5];

/** Creates a collapsible section with the strongest paths to a gradient. @param {PanelContext} context @returns {import("./stage.js").Stage | null} */
export function pathStage(context) {
  const { tensor } = context.explanation;
  if (!/^d/u.test(layered(tensor).rest)) return null;
  return staticStage(fold("The strongest paths to this gradient", "computation-why", () => [pathsOf(context)]));
}

/** @param {PanelContext} context @returns {HTMLElement} */
function pathsOf(context) {
  const { explanation: { cell }, trace } = context;
  const paths = strongestPaths(trace, cell, COUNT);
  const whole = valueOf(trace, cell) ?? 0;
  const sum = paths.reduce((total, { value }) => total + value, 0);
  const words =
    `Each path starts with ${startOf(paths)} and is multiplied by the factors on its way back; ` +
    `a layer’s dy is the gradient of the loss with respect to its output. ` +
    `The ${paths.length} strongest paths sum to ${formatNumber(sum)}, all others to ${formatNumber(whole - sum)}.`;
  return createElement(
    "figure.computation-paths",
    createElement("div.computation-paths-room", { tabindex: 0, role: "group", "aria-label": "Strongest paths" }, drawing(paths, context)),
    createElement("figcaption.computation-caption", words),
    listOf(paths),
  );
}

/** @param {Path[]} paths */
function startOf(paths) {
  const layers = [...new Set(paths.map(({ links }) => layered(parted(links[0].cell).tensor).layer))];
  return `the error at the output of ${layers.join(", ")}`;
}

/** @param {Path[]} paths @param {PanelContext} context */
function drawing(paths, context) {
  const longest = Math.max(1, ...paths.map(({ links }) => links.length));
  const [column, edge] = [COLUMN, EDGE].map((width) => width * (inLectureMode() ? WIDER : 1));
  /** @type {Map<string, Spot>} */
  const spots = new Map();
  const rows = new Array(longest).fill(0);
  for (const { links } of paths) {
    links.forEach(({ cell }, at) => {
      const place = at + longest - links.length;
      if (spots.has(cell)) return;
      spots.set(cell, { cell, x: edge + place * column, y: TOP + rows[place] * ROW });
      rows[place] += 1;
    });
  }
  const most = Math.max(...paths.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  const lines = paths.flatMap(({ links, value }) =>
    links.slice(1).map(({ cell }, at) => lineOf(spots, links[at].cell, cell, value, Math.abs(value) / most)),
  );
  const nodes = [...spots.values()].map((spot) => nodeOf(spot, context));
  const [width, height] = [2 * edge + (longest - 1) * column, TOP + Math.max(1, ...rows) * ROW];
  return createSvg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "computation-paths-drawing" }, ...lines, ...nodes);
}

/** @param {Map<string, Spot>} spots @param {string} source @param {string} target @param {number} value @param {number} share */
function lineOf(spots, source, target, value, share) {
  const [from, to] = [source, target].map((cell) => /** @type {Spot} */ (spots.get(cell)));
  const bend = (to.x - from.x) / 2;
  const d = `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
  const kind = value < 0 ? "computation-path-down" : "computation-path-up";
  return createSvg("path", { d, class: `computation-path-line ${kind}`, "stroke-width": Math.max(THINNEST, WIDEST * share) });
}

/** @param {Spot} spot @param {PanelContext} context */
function nodeOf({ cell, x, y }, { follow, hover }) {
  const node = createSvg(
    "g",
    { class: "computation-path-node", tabindex: 0, role: "link", "aria-label": cell },
    createSvg("circle", { cx: x, cy: y, r: 6 }),
    createSvg("text", { x, y: y + 22, "text-anchor": "middle" }, cell),
  );
  node.addEventListener("click", () => follow(cell));
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter") follow(cell);
  });
  for (const [enter, leave] of [["pointerenter", "pointerleave"], ["focus", "blur"]]) {
    node.addEventListener(enter, () => hover(cell));
    node.addEventListener(leave, () => hover(null));
  }
  return node;
}

/**
 * Writes each path as a product. The names of its factors are omitted if the previous path has the same names.
 * @param {Path[]} paths
 */
function listOf(paths) {
  const named = paths.map(({ links }) => ["error", ...links.slice(0, -1).map(factorName)]);
  const items = paths.map(({ value, start, links }, n) => {
    const factors = [start, ...links.slice(0, -1).map(({ factor }) => factor)];
    const isRepeated = named[n].join() === named[n - 1]?.join();
    const product = factors.flatMap((factor, at) => {
      const text = at ? bracketed(factor) : formatNumber(factor);
      const shown = isRepeated ? text : createElement("ruby", text, createElement("rt", named[n][at]));
      return at ? [" · ", shown] : [shown];
    });
    return createElement("li.number", ...product, ` = ${formatNumber(value)}`);
  });
  return createElement("ol.computation-path-products", ...items);
}

/** Returns the name of a factor: the tensor (dense2.w), or the layer if it has no cell. @param {import("../../../explain/paths.js").Link} link */
function factorName({ cell, by }) {
  return by ? parted(by).tensor : layered(parted(cell).tensor).layer;
}
