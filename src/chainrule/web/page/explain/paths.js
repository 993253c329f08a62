/**
 * The strongest paths through the chain rule from the error at the network's output to a gradient.
 *
 * Every gradient is a sum of terms, each of which is a later gradient times a factor. A sequence of such terms is a
 * path. The gradient is the sum over all paths of the product of each path's factors.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {{cell: string, factor: number, by: string | null}} Link  a gradient, the factor to the next one, and the cell of
 *   that factor if there is one
 * @typedef {{value: number, start: number, weight: number, links: Link[]}} Path  value: start · weight, where start is the
 *   first gradient; links: from the output's error to the requested gradient, whose factor is 1
 * @typedef {{cell: string, coefficient: number, by: string | null}} Branch
 */

import { argumentsOf, backwardTo, perSample } from "../engine/interpreter.js";
import { operations } from "../engine/operations.js";
import { byMagnitude as byMagnitudeOf, placeOfLargest, ravel, unravel, zeros } from "../engine/tensor.js";
import { runtimeOf } from "../engine/trace.js";
import { squares } from "../engine/updating.js";
import { catalogueOf } from "./cells.js";
import { CellContext } from "./cell_context.js";
import { explain } from "./index.js";
import { layered, parted, valueOf } from "./naming.js";

const BEAM = 64; // unfinished paths to keep
const [SEARCHED, SHOWN] = [32, 5]; // maps or outputs with the largest gradients, and with the largest parts of the weight's gradient

/**
 * Returns the paths with the largest products, in descending order, by a beam search over unfinished paths.
 *
 * @param {Trace} trace @param {string} cell  a gradient @param {number} many @param {number} [beam]  number of paths
 *   followed at once; if it is large enough, the result is exact
 * @returns {Path[]}
 */
export function strongestPaths(trace, cell, many, beam = BEAM) {
  const branches = cachedBranches(trace);
  const start = valueOf(trace, cell) ?? 0;
  /** @type {Path[]} */
  const whole = [];
  /** @type {Path[]} */
  let open = [{ value: start, start, weight: 1, links: [{ cell, factor: 1, by: null }] }];
  while (open.length) {
    const next = [];
    for (const path of open) {
      const further = branches(path.links[0].cell);
      if (!further.length) whole.push(path);
      for (const branch of further) next.push(longer(trace, path, branch));
    }
    open = next.sort(byMagnitude).slice(0, beam);
  }
  return whole.sort(byMagnitude).slice(0, many);
}

/** Returns a function for the terms of a gradient that computes those of each cell only once. @param {Trace} trace */
function cachedBranches(trace) {
  /** @type {Map<string, Branch[]>} */
  const cache = new Map();
  return (/** @type {string} */ cell) => {
    const branches = cache.get(cell) ?? branchesOf(trace, cell);
    cache.set(cell, branches);
    return branches;
  };
}

/** @param {Trace} trace @param {Path} path @param {Branch} branch @returns {Path} */
function longer(trace, path, { cell, coefficient, by }) {
  const [start, weight] = [valueOf(trace, cell) ?? 0, path.weight * coefficient];
  return { value: weight * start, start, weight, links: [{ cell, factor: coefficient, by }, ...path.links] };
}

/** @param {Path} a @param {Path} b */
function byMagnitude(a, b) {
  return Math.abs(b.value) - Math.abs(a.value);
}

/**
 * Returns the nonzero terms of a gradient. There are none if a path begins at this gradient, as at ŷ − t.
 *
 * @param {Trace} trace @param {string} cell @returns {Branch[]}
 */
function branchesOf(trace, cell) {
  const { terms, scale, jacobian, operation } = explain(trace, cell);
  if (operation === "batch_norm_dx") return ofNormalization(trace, cell);
  if (operation === "dropout") return ofDropout(trace, cell);
  if (jacobian) return [];
  /** @type {Branch[]} */
  const branchList = [];
  for (const { factors, value } of terms) {
    const at = factors.findIndex((factor) => factor.cell !== null && isGradient(factor.cell));
    if (value === 0) continue; // also a zero of the padding, which is not a cell
    if (at < 0) return [];
    const others = factors.filter((_, place) => place !== at);
    const coefficient = others.reduce((product, b) => product * b.value, scale?.value ?? 1);
    const by = others.find((b) => b.cell)?.cell ?? null;
    branchList.push({ cell: /** @type {string} */ (factors[at].cell), coefficient, by });
  }
  return branchList;
}

/**
 * Returns the terms of a gradient through batch normalization: those of all gradients of its channel. Their coefficients
 * are the results for dy = 1 at this cell and 0 elsewhere, because ∂dx[i]/∂dy[j] = ∂dx[j]/∂dy[i].
 *
 * @param {Trace} trace @param {string} cell @returns {Branch[]}
 */
function ofNormalization(trace, cell) {
  const catalogue = catalogueOf(trace);
  const { tensor, index } = catalogue.read(cell);
  const ctx = new CellContext(trace, catalogue, tensor, index, /** @type {import("./cells.js").Writer} */ (catalogue.writers.get(tensor)));
  const shape = [1, ...ctx.shape];
  const dy = zeros(shape);
  dy.data[ravel(ctx.own, ctx.shape)] = 1;
  const [{ data }] = operations.batch_norm_dx([dy, { ...ctx.array(1), shape }, ...[2, 3, 4].map((read) => ctx.array(read))], ctx.attributes);
  const branchList = Array.from(data, (coefficient, at) => ({ cell: ctx.cell(0, unravel(at, ctx.shape)), coefficient, by: null }));
  return branchList.filter(({ coefficient }) => coefficient !== 0);
}

/** Returns the gradient that a dropout passes on, unless it stops it. @param {Trace} trace @param {string} cell @returns {Branch[]} */
function ofDropout(trace, cell) {
  const { sources: [from], value } = explain(trace, cell);
  return value === 0 ? [] : [{ cell: from, coefficient: value / (valueOf(trace, from) ?? value), by: null }];
}

/**
 * Returns the ways to a weight's gradient, bundled by the maps whose gradients pass back through the convolution next to the
 * weight or, without one, by the outputs whose errors pass back through the last dense layer. For each of those with the largest
 * parts: all that comes through it (`value`), and its strongest path, whose links are computed when they are read. Null without
 * such a layer.
 *
 * @param {Trace} trace @param {string} cell  a gradient @returns {{paths: Path[], layer: string, isMaps: boolean} | null}
 */
export function pathsByPart(trace, cell) {
  const { tensor } = parted(cell);
  const list = backwardTo(trace.description.plan, ({ storage }) => storage === tensor).slice(0, -1);
  const convolution = list.findLastIndex((operation) => operation.name === "cross_correlate_dx" && isUngrouped(operation));
  const at = convolution < 0 ? list.findIndex(({ name }) => name === "dense_dx") : convolution;
  const source = list[at]?.reads[0];
  const whole = source && trace.values.get(source.storage);
  if (!whole) return null;
  const size = whole.data.length / source.shape[0];
  const rows = Array.from({ length: source.shape[0] }, (_, row) => whole.data.subarray(row * size, (row + 1) * size));
  const branches = cachedBranches(trace);
  const parts = byMagnitudeOf(rows.map(squares)).slice(0, SEARCHED).map((row) => {
    const values = new Map([...trace.values, ...passedOn(trace, list.slice(at), source.storage, row, rows[row])]);
    const part = { ...trace, values };
    return { part, value: branches(cell).reduce((sum, branch) => sum + branch.coefficient * (valueOf(part, branch.cell) ?? 0), 0) };
  });
  const total = Math.sign(valueOf(trace, cell) ?? 0);
  const largest = parts.sort((a, b) => total * (b.value - a.value)).slice(0, SHOWN).filter(({ value }) => total * value > 0);
  const paths = largest.map(({ part, value }) => {
    const compute = () => linksThrough([part, trace], branches, cell, source.storage, total);
    /** @type {Link[] | null} */
    let links = null;
    return { value, start: value, weight: 1, get links() { return (links ??= compute()); } };
  });
  return { layer: layered(source.storage).layer, paths, isMaps: at === convolution };
}

/**
 * Returns the gradients that follow from one row of a gradient, such as a map; all others are 0.
 *
 * @param {Trace} trace @param {Operation[]} list  the first one multiplies the gradient by weights with as many rows
 * @param {string} source @param {number} row @param {NDArray["data"]} values  of the row
 */
function passedOn(trace, list, source, row, values) {
  const whole = zeros(trace.values.get(source)?.shape ?? []);
  whole.data.set(values, row * values.length);
  const own = new Map([[source, whole]]);
  const gradients = new Set(trace.description.plan.backward.flatMap(({ writes }) => writes.map(({ storage }) => storage)));
  for (const operation of list) {
    if (!operation.reads.some((tensor) => tensor && own.has(tensor.storage))) continue;
    const arrays = operation.reads.map((tensor) => {
      if (!tensor) return null;
      const shape = perSample(tensor) ? [1, ...tensor.shape] : tensor.shape;
      const array = own.get(tensor.storage) ?? (gradients.has(tensor.storage) ? zeros(shape) : trace.values.get(tensor.storage));
      return array ? { shape, data: array.data } : null;
    });
    const results = operations[operation.name](operation === list[0] ? rowOf(arrays, row) : arrays, argumentsOf(operation, { batch: 1, ...runtimeOf(trace) }));
    operation.writes.forEach(({ storage }, place) => own.set(storage, { ...results[place], shape: trace.values.get(storage)?.shape ?? [] }));
  }
  return own;
}

/** @param {Operation} operation */
function isUngrouped({ attributes: { groups = 1 } }) {
  return groups === 1;
}

/** Returns one row of the gradient (1, O, …) and of the weights (O, …) that it is multiplied by. @param {(NDArray | null)[]} arrays @param {number} row */
function rowOf([dy, w, ...others], row) {
  const cut = (/** @type {NDArray | null} */ array, /** @type {number} */ axis) => {
    if (!array) return null;
    const size = array.data.length / array.shape[axis];
    return { shape: array.shape.with(axis, 1), data: array.data.subarray(row * size, (row + 1) * size) };
  };
  return [cut(dy, 1), cut(w, 0), ...others];
}

/**
 * Returns the path that follows the largest term of every gradient: in a part of the trace up to a tensor, then in the trace.
 *
 * @param {Trace[]} traces  the part and the whole @param {(cell: string) => Branch[]} branches @param {string} cell
 * @param {string} source @param {number} sign  of the gradient
 */
function linksThrough([part, trace], branches, cell, source, sign) {
  /** @type {Link[]} */
  const links = [{ cell, factor: 1, by: null }];
  for (let [shown, weight] = [part, sign]; ; ) {
    if (parted(links[0].cell).tensor === source) shown = trace;
    const further = branches(links[0].cell);
    if (!further.length) return links;
    const values = further.map((branch) => weight * branch.coefficient * (valueOf(shown, branch.cell) ?? 0));
    const { cell: next, coefficient: factor, by } = further[placeOfLargest(values)];
    weight *= factor;
    links.unshift({ cell: next, factor, by });
  }
}

/** @param {string} cell */
function isGradient(cell) {
  return /^d/u.test(layered(parted(cell).tensor).rest);
}
