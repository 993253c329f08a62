/**
 * Titles of cells: noun phrases from chainrule/operations.
 *
 * @typedef {import("../types.js").Description} Description
 * @typedef {import("../types.js").Titles} Titles
 * @typedef {import("./cells.js").Entry} Entry
 */

import { primal } from "../engine/interpreter.js";
import { prefix } from "./cataloguing.js";
import { put } from "./words.js";

/**
 * Returns a noun phrase that describes an element of a tensor.
 *
 * @param {Description} description @param {Entry} entry
 */
export function title({ operations, optimizer }, entry) {
  const titles = /** @type {Titles} */ (/** @type {unknown} */ (operations.titles));
  if (titles.whole[entry.name]) return titles.whole[entry.name];
  const owner = prefix(entry.name);
  const own = entry.name.slice(owner.length + 1);
  if (entry.kind === "update") return put(titles.kind.update, { of: part(titles, owner) });
  if (entry.kind === "batch") return put(titles.kind.batch, { of: part(titles, owner) });
  if (entry.kind === "moment") {
    const momentTitles = titles.moment;
    const name = optimizer.moments.length === 1 && own in momentTitles ? "velocity" : own;
    return put(momentTitles[name] ?? momentTitles.other, { own, of: part(titles, owner) });
  }
  if (entry.kind === "gradient") return gradient(titles, primal(entry.name));
  return part(titles, entry.name);
}

/**
 * Returns the title of a tensor's gradient (conv1.y), or of one part of the gradient (conv1.y_conv2).
 *
 * @param {Titles} titles @param {string} name
 */
function gradient(titles, name) {
  const layer = prefix(name);
  const own = layer ? name.slice(layer.length + 1) : name;
  const [base, ...rest] = own.split("_");
  const through = rest.join("_");
  if (!through || (layer && !(base in titles.part))) return put(titles.kind.gradient, { of: part(titles, name) });
  const of = part(titles, layer ? `${layer}.${base}` : base);
  return put(through.startsWith("sum") ? titles.kind.gradient_sum : titles.kind.gradient_part, { of, through });
}

/** @param {Titles} titles @param {string} name */
function part({ part: parts, whole }, name) {
  if (whole[name]) return whole[name];
  const layer = prefix(name);
  const own = name.slice(layer.length + 1);
  return put(parts[own] ?? parts.other, { layer, own });
}
