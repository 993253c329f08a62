import { layered, parted, valueOf } from "../../../explain/naming.js";
import { bracketed, formatNumber } from "../../../explain/numbers.js";
import { strongestPaths } from "../../../explain/paths.js";
import { createElement } from "../../../elements.js";
import { fold } from "../fold.js";
import { cellLink } from "../links.js";
import { staticStage } from "./stage.js";

/**
 * The strongest paths of a gradient, from the error at the output to the value: each is a product of factors.
 *
 * @typedef {import("../../../explain/paths.js").Path} Path
 * @typedef {import("./stage.js").PanelContext} PanelContext
 */

const COUNT = 5; // paths

/** Creates a collapsible section with the strongest paths to a gradient. @param {PanelContext} context @returns {import("./stage.js").Stage | null} */
export function pathStage(context) {
  const { tensor } = context.explanation;
  if (!/^d/u.test(layered(tensor).rest)) return null;
  return staticStage(fold("The strongest paths to this gradient", "computation-why", () => pathsOf(context)));
}

/** @param {PanelContext} context */
function pathsOf(context) {
  const { explanation: { cell }, trace } = context;
  const paths = strongestPaths(trace, cell, COUNT);
  const whole = valueOf(trace, cell) ?? 0;
  const sum = paths.reduce((total, { value }) => total + value, 0);
  const words = `Each path starts with the error at an output and is multiplied by the factors on its way back; a layer’s dy is the gradient of the loss with respect to its output. The ${paths.length} strongest paths sum to ${formatNumber(sum)}, all others to ${formatNumber(whole - sum)}.`;
  return [createElement("p.computation-caption", words), createElement("ol.computation-path-products", ...paths.map((path) => productOf(context, path)))];
}

/** Writes a path as a product. Each factor is below its name, which leads to its cell. @param {PanelContext} context @param {Path} path */
function productOf(context, { value, start, links }) {
  const factors = links.slice(0, -1).map(({ cell, by, factor }) => ({ cell: by ?? cell, name: by ? parted(by).tensor : layered(parted(cell).tensor).layer, text: bracketed(factor) }));
  const product = [{ cell: links[0].cell, name: "error", text: formatNumber(start) }, ...factors].flatMap(({ cell, name, text }, at) => {
    const shown = createElement("ruby", text, createElement("rt", cellLink(context, cell, name, "")));
    return at ? [" · ", shown] : [shown];
  });
  return createElement("li.number", ...product, ` = ${formatNumber(value)}`);
}
