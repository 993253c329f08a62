/**
 * The sheet: the numbers of a network along one thread, from the input through a weight to the loss. A small network is
 * shown whole. Of a larger one, the sheet shows the numbers around the thread, as far as they take part in it.
 *
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {{rows: number, columns: number, cells: (string | null)[]}} Grid
 * @typedef {{title: string, grids: Grid[], row: {cell: string, name: string}[]}} Block  grids side by side, and single cells below
 * @typedef {{tensor: string, operation: Operation | null, role: "values" | "weights" | "units", blocks: Block[]}} Column
 *   operation: that writes the tensor, null for the first one; role: maps, kernels, or units with their weights and results
 * @typedef {{
 *   columns: Column[], thread: string[], weight: string | null, isWhole: boolean, cells: Set<string>,
 * }} Sheet  thread: the followed cells, from the first column to the scores; cells: all that are shown
 */

import { gradientName, primal } from "../engine/interpreter.js";
import { largestMagnitude, placeOfLargest, sizeOf, unravel } from "../engine/tensor.js";
import { indicesOf } from "./boxes.js";
import { explain } from "./index.js";
import { layered, named, parted, valueOf } from "./naming.js";

const SMALL = 480; // cells; a network with at most this many is shown whole
const [NEAR, MOST] = [1, 7]; // cells on either side of the followed one, and most rows and columns of a crop
const UNITS = 3; // units of a dense layer that are shown
const BETWEEN = /\.(?:repeated|y)\d+$/u; // repeated values and partial sums, which are not shown
const SINGLE = 4; // parameters of a layer without kernels
const HOPS = 300;

/** Returns whether a tensor is a gradient: conv1.dw, dx. @param {string} tensor */
export function isGradient(tensor) {
  return /^d/u.test(layered(tensor).rest);
}

/** Returns the cell of the gradient of a cell. @param {string} cell */
export function gradientOf(cell) {
  const { tensor, index } = parted(cell);
  return named(gradientName(tensor), index);
}

/** Returns the value or parameter that a cell belongs to: conv1.w[0] for conv1.dw[0], conv1.w.update[0] and conv1.w.g[0]. @param {Trace} trace @param {string} cell */
export function baseOf({ description: { layout } }, cell) {
  const { tensor, index } = parted(cell);
  const parameter = Object.keys(layout).find((name) => tensor === name || tensor.startsWith(`${name}.`));
  const base = parameter ?? (isGradient(tensor) ? primal(tensor.replace(/_[^.]*$/u, "")) : tensor);
  return named(base, index);
}

/** Returns the weight that the step changes most among those of the first layer or, without a step, that with the largest gradient; null without weights. @param {Trace} trace */
export function largestChange({ description: { plan }, values }) {
  const weights = plan.forward.map(({ reads }) => reads[1]).find((tensor) => tensor?.kind === "parameter" && values.has(gradientName(tensor.storage)));
  if (!weights) return null;
  const before = values.get(weights.storage)?.data ?? [];
  const after = values.get(`${weights.storage}.update`)?.data;
  const gradient = /** @type {import("../types.js").NDArray} */ (values.get(gradientName(weights.storage)));
  const changes = after ? Array.from(after, (value, at) => value - before[at]) : gradient.data;
  return named(weights.storage, unravel(largestMagnitude(changes), gradient.shape));
}

/** Returns the source of a cell with the largest part in its value; null if there is none. @param {Trace} trace @param {string} cell @param {(tensor: string) => boolean} accepts  which tensors */
function strongest(trace, cell, accepts) {
  if (valueOf(trace, cell) === null) return null;
  const { terms, sources } = explain(trace, cell);
  const uses = terms.flatMap(({ factors, value }) => factors.flatMap((factor) => (factor.cell !== null && accepts(parted(factor.cell).tensor) ? [{ cell: factor.cell, value }] : [])));
  if (uses.length) return uses[largestMagnitude(uses.map(({ value }) => value))].cell;
  const others = sources.filter((source) => accepts(parted(source).tensor));
  return others.length ? others[largestMagnitude(others.map((source) => valueOf(trace, source) ?? 0))] : null;
}

/** Follows sources from cell to cell. @param {Trace} trace @param {string | null} cell @param {(tensor: string) => boolean} accepts @returns {string[]} */
function chain(trace, cell, accepts) {
  const cells = [];
  for (let hop = 0; cell !== null && hop < HOPS; hop += 1) {
    cells.push(cell);
    cell = strongest(trace, cell, accepts);
  }
  return cells;
}

/** Returns the cells that the sheet follows through a cell: back to the first layer with weights, and on to the scores. @param {Trace} trace @param {string | null} cell  a weight or a value */
function threadOf(trace, cell) {
  const { plan, layout } = trace.description;
  const written = new Set([plan.input.storage, ...plan.forward.map(({ writes }) => writes[0].storage)]);
  const isValue = (/** @type {string} */ tensor) => written.has(tensor) && !BETWEEN.test(tensor) && trace.values.has(tensor);
  const output = plan.output.storage;
  const outputs = trace.values.get(output);
  const last = outputs && named(output, unravel(placeOfLargest(outputs.data), outputs.shape));
  const isWeight = cell !== null && parted(cell).tensor in layout;
  const gradient = cell === null ? null : gradientOf(cell);
  const back = gradient !== null && valueOf(trace, gradient) !== null ? chain(trace, gradient, isGradient).slice(isWeight ? 1 : 0) : [];
  const on = back.map((name) => named(primal(parted(name).tensor), parted(name).index)).filter((name) => isValue(parted(name).tensor));
  const start = isWeight && on.length ? (strongest(trace, gradient ?? "", isValue) ?? strongest(trace, on[0], isValue)) : (on.shift() ?? (isWeight ? null : cell) ?? last ?? null);
  const all = [...chain(trace, start, isValue).reverse(), ...on];
  const unique = all.filter((name, at) => all.findLastIndex((other) => parted(other).tensor === parted(name).tensor) === at);
  const tensors = unique.map((name) => parted(name).tensor);
  const first = plan.forward.find(({ reads, writes }) => reads[1]?.kind === "parameter" && tensors.includes(writes[0].storage) && tensors.includes(reads[0]?.storage ?? ""));
  return unique.slice(Math.max(0, tensors.indexOf(first?.reads[0]?.storage ?? "")));
}

/** Returns the sheet around a weight or a value. @param {Trace} trace @param {string | null} cell @returns {Sheet} */
export function sheetOf(trace, cell) {
  const { plan, layout, shapes } = trace.description;
  const thread = threadOf(trace, cell);
  const tensors = thread.map((name) => parted(name).tensor);
  const operations = tensors.map((tensor) => plan.forward.find(({ writes }) => writes.some(({ storage }) => storage === tensor)) ?? null);
  const parameters = operations.slice(1).flatMap((operation) => operation?.reads.filter((read) => read?.kind === "parameter") ?? []);
  const total = [...tensors.map((tensor) => trace.values.get(tensor)?.shape ?? []), ...parameters.map((tensor) => shapes[tensor?.storage ?? ""] ?? [])];
  const isWhole = total.reduce((sum, shape) => sum + sizeOf(shape), 0) <= SMALL;
  /** @type {Column[]} */
  const columns = [];
  thread.forEach((followed, at) => {
    const operation = at ? operations[at] : null;
    const next = thread[at + 1];
    const used = next ? explain(trace, next).sources : [];
    const isDense = operation?.name === "dense" && trace.values.get(tensors[at])?.shape.length === 1;
    const inputs = columns[columns.length - 1];
    if (operation && isDense) columns.push({ tensor: tensors[at], operation, role: "units", blocks: unitsOf(trace, followed, inputs, at === thread.length - 1) });
    else {
      const kernels = operation ? kernelsOf(trace, followed, inputs, isWhole) : [];
      if (operation && kernels.length) columns.push({ tensor: operation.reads[1]?.storage ?? "", operation, role: "weights", blocks: kernels });
      const own = operation && !kernels.length ? explain(trace, followed).sources.filter((source) => parted(source).tensor in layout).slice(0, SINGLE) : []; // of a normalization
      const row = own.map((source) => ({ cell: source, name: layered(parted(source).tensor).rest }));
      const blocks = planesOf(trace, followed, used, isWhole).map((grid, n) => ({ title: title(tensors[at], grid, !at), grids: [grid], row: n ? [] : row }));
      columns.push({ tensor: tensors[at], operation, role: "values", blocks });
    }
  });
  const end = endOf(trace, thread[thread.length - 1] ?? null, columns);
  const [last] = columns.slice(-1);
  const own = last?.role === "units" ? (last.blocks.find(({ row }) => row.some((entry) => entry.name === "target" && valueOf(trace, entry.cell))) ?? last.blocks[0]) : null;
  if (end && own) own.row.push(...end.blocks.flatMap(({ row }) => row)); // the loss stands beside the target of the right class
  else if (end) columns.push(end);
  const cells = new Set(columns.flatMap(({ blocks }) => blocks.flatMap(({ grids, row }) => [...grids.flatMap((grid) => grid.cells.flatMap((name) => name ?? [])), ...row.map((entry) => entry.cell)])));
  const base = cell !== null && parted(cell).tensor in layout ? cell : null;
  return { columns, thread, weight: base, isWhole, cells };
}

/** @param {string} tensor @param {Grid} grid @param {boolean} isFirst  whether it is the input of the sheet */
function title(tensor, grid, isFirst) {
  const { layer } = layered(tensor);
  const first = parted(grid.cells.find((name) => name !== null) ?? tensor).index;
  const size = `${grid.rows}×${grid.columns}`;
  if (isFirst && (first[0] === 0 || first.length < 2)) return first.length > 1 ? `the input, ${size}` : "the input";
  return first.length > 1 ? `${layer || "input"}, map ${first[0]}` : layer;
}

/**
 * Returns the planes of a tensor: all of them, or the part of one around a cell.
 * @param {Trace} trace @param {string} cell @param {string[]} used  cells that the next followed value was computed from @param {boolean} isWhole
 * @param {number} [reach]  cells on either side of the cell @returns {Grid[]}
 */
function planesOf(trace, cell, used, isWhole, reach = NEAR) {
  const { tensor, index } = parted(cell);
  const { shape } = /** @type {import("../types.js").NDArray} */ (trace.values.get(tensor));
  const rank = shape.length;
  const flat = Math.min(rank, rank >= 3 ? 2 : 1); // axes of a plane
  const [lead, own] = [index.slice(0, rank - flat), index.slice(rank - flat)];
  const sides = shape.slice(rank - flat);
  if (isWhole) {
    const leads = indicesOf({ tensor, from: lead.map(() => 0), to: shape.slice(0, rank - flat) });
    return leads.map((at) => gridOf(tensor, at, sides.map(() => 0), sides, rank));
  }
  const near = used.map(parted).filter((other) => other.tensor === tensor && lead.every((at, axis) => other.index[axis] === at));
  const along = near.map((other) => other.index.slice(rank - flat));
  const box = own.map((at, axis) => {
    const places = [at - reach, at + reach, ...along.map((other) => other[axis])];
    const low = Math.max(0, at - MOST + 1 + NEAR, Math.min(...places));
    return [low, Math.min(sides[axis], low + MOST, Math.max(...places) + 1)];
  });
  return [gridOf(tensor, lead, box.map(([from]) => from), box.map(([, to]) => to), rank)];
}

/** @param {string} tensor @param {number[]} lead @param {number[]} from @param {number[]} to @param {number} rank @returns {Grid} */
function gridOf(tensor, lead, from, to, rank) {
  const cells = indicesOf({ tensor, from: [...lead, ...from], to: [...lead.map((at) => at + 1), ...to] }).map((index) => named(tensor, index));
  const lengths = to.map((end, axis) => end - from[axis]);
  const [rows, columns] = lengths.length === 2 ? lengths : rank === 1 ? [cells.length, 1] : [1, cells.length];
  return { rows, columns, cells };
}

/** Returns the kernels of a layer whose outputs are maps. @param {Trace} trace @param {string} followed  an output @param {Column} inputs @param {boolean} isWhole @returns {Block[]} */
function kernelsOf(trace, followed, inputs, isWhole) {
  const { layout } = trace.description;
  const shown = new Set(cellsOf(inputs));
  const { tensor, index } = parted(followed);
  const channels = isWhole ? Array.from({ length: trace.values.get(tensor)?.shape[0] ?? 1 }, (_, at) => at) : [index[0]];
  return channels.flatMap((channel) => {
    const { terms } = explain(trace, named(tensor, index.with(0, channel)));
    const weights = terms.flatMap(({ factors }) => {
      const [x, w] = [factors.find(({ cell }) => cell !== null && shown.has(cell)), factors.find(({ cell }) => cell !== null && parted(cell).tensor in layout)];
      return x && w?.cell ? [w.cell] : [];
    });
    const leads = new Map(weights.map((cell) => [parted(cell).index.slice(0, 2).join(), cell]));
    const grids = [...leads.values()].flatMap((cell) => planesOf(trace, cell, weights, false, MOST));
    if (!grids.length) return [];
    return [{ title: `kernel ${channel}`, grids, row: biasOf(terms) }];
  });
}

/** @param {import("../types.js").Term[]} terms */
function biasOf(terms) {
  const bias = terms.find(({ factors }) => factors.length === 1 && factors[0].name === "b")?.factors[0].cell;
  return bias ? [{ cell: bias, name: "+ bias" }] : [];
}

/** Returns the units of a dense layer: the followed one, that of the label and that with the largest output. @param {Trace} trace @param {string} followed @param {Column} inputs @param {boolean} isLast @returns {Block[]} */
function unitsOf(trace, followed, inputs, isLast) {
  const { tensor, index: [own] } = parted(followed);
  const outputs = /** @type {import("../types.js").NDArray} */ (trace.values.get(tensor));
  const { layers, classes } = trace.description;
  const count = outputs.data.length;
  const chosen = count <= UNITS ? Array.from({ length: count }, (_, at) => at) : isLast ? [own, trace.picture.label ?? own, placeOfLargest(outputs.data)] : [own];
  const probabilities = `${layers[layers.length - 1].name}.y`;
  const results = [[tensor, isLast ? "score" : "output"], ...(probabilities === tensor ? [] : [[probabilities, "prob."]]), ["t", "target"]].slice(0, isLast ? 3 : 1);
  return [...new Set(chosen)].sort((a, b) => a - b).map((unit) => {
    const { terms } = explain(trace, named(tensor, [unit]));
    const weights = new Map(terms.flatMap(({ factors }) => {
      const [x, w] = [factors.find(({ name }) => name === "x"), factors.find(({ name }) => name === "w")];
      return x?.cell && w?.cell ? [/** @type {[string, string]} */ ([x.cell, w.cell])] : [];
    }));
    const grids = gridsOf(inputs).map((grid) => ({ ...grid, cells: grid.cells.map((x) => weights.get(x ?? "") ?? null) }));
    const row = results.filter(([name]) => valueOf(trace, named(name, [unit])) !== null).map(([name, words]) => ({ cell: named(name, [unit]), name: words }));
    return { title: isLast && classes.length === count ? `weights for “${classes[unit]}”` : `unit ${unit}`, grids, row: [...biasOf(terms), ...row] };
  });
}

/** Returns the column of what follows the scores and is not in their column: results of the last layer, targets and the loss. @param {Trace} trace @param {string | null} scores @param {Column[]} columns @returns {Column | null} */
function endOf(trace, scores, columns) {
  const { plan, layers } = trace.description;
  if (scores === null) return null;
  const { tensor } = parted(scores);
  const last = columns[columns.length - 1];
  const size = trace.values.get(tensor)?.data.length;
  const others = last.role === "units" ? [] : [`${layers[layers.length - 1].name}.y`, "t"].filter((name) => name !== tensor && trace.values.get(name)?.data.length === size);
  const blocks = others.flatMap((name) => {
    const { shape } = /** @type {import("../types.js").NDArray} */ (trace.values.get(name));
    const grids = gridsOf(last).map((grid) => ({ ...grid, cells: grid.cells.map((cell) => (cell && shape.length === parted(cell).index.length ? named(name, parted(cell).index) : null)) }));
    return grids[0]?.cells[0] ? [{ title: name, grids, row: [] }] : [];
  });
  if (plan.loss && trace.values.get("loss.y")?.shape.length === 0) blocks.push({ title: "", grids: [], row: /** @type {never[]} */ ([{ cell: "loss.y", name: "loss L" }]) });
  return blocks.length ? { tensor: "loss.y", operation: null, role: "values", blocks } : null;
}

/** @param {Column} column */
export function gridsOf({ blocks }) {
  return blocks.flatMap(({ grids }) => grids);
}

/** @param {Column} column */
export function cellsOf(column) {
  return [...gridsOf(column).flatMap(({ cells }) => cells.flatMap((cell) => cell ?? [])), ...column.blocks.flatMap(({ row }) => row.map(({ cell }) => cell))];
}
