/**
 * The tensors and constants of an operation under their names in formulas, which are in chainrule/operations.
 *
 * A trace has one sample, so tensors have no sample axis, and the sample's letter n is ignored. The Python version:
 * chainrule/explain/named_tensors.py.
 *
 * @typedef {import("../types.js").CalculationEntry} CalculationEntry
 * @typedef {import("../types.js").IndexedName} IndexedName
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").ParsedIndex} ParsedIndex
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {{letters: ParsedIndex[], tensor: Tensor, array: NDArray, read: number | null}} NamedTensor
 *   an input, or another result of the operation, with a letter or an expression for each axis; read: position among the
 *   inputs
 */

export const SAMPLE = "n";

/**
 * Returns the operation's inputs, and its results other than the explained one, by name.
 *
 * @param {CellContext} ctx @param {CalculationEntry} entry
 */
export function namedTensors(ctx, { reads, writes }) {
  /** @type {Record<string, NamedTensor>} */
  const named = {};
  reads.forEach(({ name, index }, place) => {
    if (!ctx.reads(place)) return;
    const array = ctx.array(place);
    named[name] = { letters: lettersFor(index, array), tensor: ctx.tensor(place), array, read: place };
  });
  writes.forEach(({ name, index }, place) => {
    if (place === ctx.place) return;
    const array = ctx.resultArray(place);
    named[name] = { letters: lettersFor(index, array), tensor: ctx.operation.writes[place], array, read: null };
  });
  return named;
}

/** @param {ParsedIndex[]} index @param {NDArray} array */
function lettersFor(index, array) {
  return withoutSample(index).slice(0, array.shape.length);
}

/**
 * Returns the size of each axis by letter.
 *
 * @param {CellContext} ctx @param {Record<string, NamedTensor>} tensors
 * @param {string[]} own  letters of the explained result's axes @returns {Record<string, number>}
 */
export function sizesOf(ctx, tensors, own) {
  const sizes = Object.values(tensors).map(({ letters, array }) => assigned(letters, array.shape));
  return Object.assign({}, ...sizes, assigned(own, ctx.shape));
}

/**
 * Returns attributes, sizes and numbers by name.
 *
 * @param {CellContext} ctx @param {CalculationEntry} entry @param {Record<string, NamedTensor>} tensors
 * @param {Record<string, number>} sizes @returns {Record<string, any>}
 */
export function constantsOf(ctx, { letters = {}, reads, writes }, tensors, sizes) {
  const parts = { ...ctx.attributes };
  for (const { name, index } of reads) parts[name] = withSample(index, tensors[name]?.array.shape ?? []);
  const { name, index } = writes[ctx.place];
  parts[name] = withSample(index, ctx.shape);
  const axes = Object.entries(sizes).map(([letter, size]) => [letter.toUpperCase(), size]);
  const numbers = Object.entries(letters).map(([letter, path]) => [letter, partOf(parts, path)]);
  return { N: 1, ...Object.fromEntries(axes), ...ctx.attributes, ...Object.fromEntries(numbers) };
}

/** Returns a shape with the sample axis, if the index has one. @param {any[]} index @param {number[]} shape */
function withSample(index, shape) {
  return index[0] === SAMPLE ? [1, ...shape] : shape;
}

/**
 * Returns an attribute, or a part of an attribute or a shape: "stride.0", "x.length". A number is its own value.
 *
 * @param {Record<string, any>} parts @param {any} path
 */
function partOf(parts, path) {
  if (typeof path !== "string") return path;
  return path.split(".").reduce((value, name) => value[name], /** @type {any} */ (parts));
}

/** Returns an index without the sample. @param {any[]} index */
export function withoutSample(index) {
  return index.filter((position) => position !== SAMPLE);
}

/**
 * Returns numbers by letter, without those of expressions.
 *
 * @param {any[]} letters @param {number[]} numbers @returns {Record<string, number>}
 */
export function assigned(letters, numbers) {
  const pairs = numbers.map((number, axis) => [letters[axis], number]);
  return Object.fromEntries(pairs.filter(([letter]) => typeof letter === "string"));
}
