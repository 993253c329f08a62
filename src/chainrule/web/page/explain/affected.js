/**
 * The elements of an operation's output that depend on one element of an input, as one range per axis.
 *
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {[number, number]} Range  from (inclusive) to (exclusive)
 * @typedef {{
 *   index: number[], read: number, place: number, shape: number[], reads: number[][],
 *   attributes: Record<string, any>, winner: number,
 * }} Reading  index: of the cell; read: position of its tensor in the inputs; shape: of the output; reads: shapes of all
 *   inputs
 */

import { resampling_weights } from "../engine/reference.js";
import { resamplingReaders } from "./resampling.js";

/**
 * Returns the ranges of dependent elements, or null if there are none.
 *
 * @param {Operation} operation @param {number} place  position of the output @param {number} read  position of the input
 * @param {number[]} index  index of the cell in the operation's shape
 * @param {number} winner  for max pooling: the position that receives this cell's gradient
 * @param {any} entry  the operation's formulas
 * @returns {Range[] | null}
 */
export function affectedBox(operation, place, read, index, winner, entry) {
  const { shape } = operation.writes[place];
  const reads = operation.reads.map((tensor) => tensor?.shape ?? []);
  const rule = RULES[operation.name] ?? (entry?.writes ? declared(entry) : shape.length === index.length ? same : whole);
  const ranges = rule({ index, read, place, shape, reads, attributes: operation.attributes, winner });
  return ranges.some(([from, to]) => to <= from) ? null : ranges;
}

/** @type {Record<string, (reading: Reading) => Range[]>} */
const RULES = {
  cross_correlate({ index, read, shape, reads, attributes }) {
    if (read === 2 && index.length === 3) return index.map(single);
    if (read > 0) return [single(index[0]), all(shape[1]), all(shape[2])];
    const { first, filters } = groupOfChannel(index[0], reads[1], attributes);
    const window = reads[1].slice(2);
    return [[first, first + filters], ...planes((axis) => seeing(index, axis, window, shape, attributes))];
  },
  cross_correlate_dx({ index, read, shape, reads, attributes }) {
    const channels = reads[1][1];
    const first = Math.floor(index[0] / (reads[1][0] / attributes.groups)) * channels;
    if (read === 1) return [single(first + index[1]), all(shape[1]), all(shape[2])];
    const window = reads[1].slice(2);
    return [[first, first + channels], ...planes((axis) => seen(index, axis, window, shape, attributes))];
  },
  cross_correlate_dw({ index, read, shape, reads, attributes }) {
    if (read === 1) return [single(index[0]), ...shape.slice(1).map(all)];
    const { first, filters, channel } = groupOfChannel(index[0], shape, attributes);
    const taps = planes((axis) => touching(index, axis, reads[1], shape, attributes));
    return [[first, first + filters], single(channel), ...taps];
  },
  concatenate({ index, read, reads, attributes }) {
    const offset = reads.slice(0, read).reduce((sum, shape) => sum + shape[attributes.axis], 0);
    return index.map((here, axis) => single(axis === attributes.axis ? here + offset : here));
  },
  max_pool: pooled,
  average_pool: pooled,
  local_response_norm: (reading) => neighbors(reading, 1),
  local_response_norm_dx: (reading) => neighbors(reading, reading.read + 1),
  max_pool_dx({ index, shape, winner }) {
    return [single(index[0]), single(Math.floor(winner / shape[2])), single(winner % shape[2])];
  },
  average_pool_dx: ({ index, shape, attributes }) => [
    single(index[0]),
    ...planes((axis) => seen(index, axis, attributes.window, shape, attributes)),
  ],
  resample: ({ index, shape, reads, attributes }) => [
    single(index[0]),
    ...planes((axis) => reading(index[1 + axis], reads[0][1 + axis], shape[1 + axis], attributes, axis)),
  ],
  resample_dx: ({ index, shape, reads, attributes }) => [
    single(index[0]),
    ...planes((axis) => {
      const { mode, lines = [] } = attributes;
      const cells = resampling_weights(mode, shape[1 + axis], reads[0][1 + axis], index[1 + axis], lines[axis]);
      return [cells[0][0], cells[0][0] + cells.length];
    }),
  ],
  pad: ({ index, attributes }) => index.map((cell, axis) => single(cell + attributes.before[axis])),
  crop: ({ index, shape, attributes }) => {
    return index.map((cell, axis) => {
      const place = cell - attributes.before[axis];
      return place < 0 ? [0, 0] : clipped(single(place), shape[axis]);
    });
  },
  permute: ({ index, attributes }) => attributes.axes.map((/** @type {number} */ axis) => single(index[axis])),
  softmax_cross_entropy_dp: whole,
  softmax_focal_cross_entropy_dp: whole,
  group_norm({ index, read, place, shape, reads, attributes }) {
    const group = ofGroup(index[0], reads[0][0], attributes);
    if (place > 0) return read > 0 ? [[0, 0]] : [single(group.number)];
    if (read > 0) return scaled(index[0], shape, attributes);
    return [group.channels, ...shape.slice(1).map(all)];
  },
  group_norm_dx({ index, read, shape, reads, attributes }) {
    if (read === 2 && attributes.shared) return shape.map(all);
    const depth = reads[1][0] / attributes.groups;
    const group = ofGroup(read > 2 ? index[0] * depth : index[0], reads[1][0], attributes);
    return [group.channels, ...shape.slice(1).map(all)];
  },
  group_norm_dw({ index, read, shape, reads, attributes }) {
    const depth = reads[1][0] / attributes.groups;
    if (read > 1) return attributes.shared ? [all(shape[0])] : [[index[0] * depth, (index[0] + 1) * depth]];
    return [single(attributes.shared ? index[0] % depth : index[0])];
  },
  running_statistics: ({ index, read, place }) => (read % 2 === place ? index.map(single) : [[0, 0]]),
};

/**
 * Returns the outputs along a resampled axis that depend on a cell.
 *
 * @param {number} cell @param {number} size @param {number} outputs @param {any} attributes @param {number} axis
 * @returns {Range}
 */
function reading(cell, size, outputs, { mode, lines = [] }, axis) {
  const readers = resamplingReaders(mode, size, outputs, cell, lines[axis]);
  return readers.length ? [readers[0][0], readers[readers.length - 1][0] + 1] : [0, 0];
}

/** Returns the element at the same index. @param {Reading} reading @returns {Range[]} */
function same({ index }) {
  return index.map(single);
}

/** Returns all elements. @param {Reading} reading @returns {Range[]} */
function whole({ shape }) {
  return shape.map(all);
}

/**
 * Returns the rule for an operation from the axes that its formulas declare, such as x[n,c] and y[n,o]. An axis with a
 * letter of the input has the same position; other axes, and those that a sum runs over, are affected as a whole.
 *
 * @param {any} entry @returns {(reading: Reading) => Range[]}
 */
function declared({ reads, writes, over = [] }) {
  const letters = (/** @type {{ index: string[] }} */ tensor) => tensor.index.filter((letter) => letter !== "n");
  return ({ index, read, place, shape }) => {
    const [own, result] = [letters(reads[read]).slice(0, index.length), letters(writes[place])];
    return shape.map((size, axis) => {
      const at = over.includes(result[axis]) ? -1 : own.indexOf(result[axis]);
      return at < 0 ? all(size) : single(index[at]);
    });
  };
}

/** The same position in adjacent channels, up to a number of windows on either side. @param {Reading} reading @param {number} times @returns {Range[]} */
function neighbors({ index: [c, ...where], shape, attributes }, times) {
  const half = times * Math.floor(attributes.size / 2);
  return [clipped([c - half, c + half + 1], shape[0]), ...where.map(single)];
}

/** Returns one channel. @param {number} place @param {number[]} shape @returns {Range[]} */
function channel(place, shape) {
  return shape.map((size, axis) => (axis === 0 ? single(place) : all(size)));
}

/**
 * Returns the number and the channels of a channel's group.
 *
 * @param {number} channel @param {number} channels @param {Record<string, any>} attributes
 * @returns {{number: number, channels: Range}}
 */
function ofGroup(channel, channels, { groups }) {
  const depth = channels / groups;
  const number = Math.floor(channel / depth);
  return { number, channels: [number * depth, (number + 1) * depth] };
}

/**
 * Returns the elements that depend on a scale or shift: its channel, or all elements if groups share parameters.
 *
 * @param {number} place @param {number[]} shape @param {Record<string, any>} attributes @returns {Range[]}
 */
function scaled(place, shape, { shared }) {
  return shared ? shape.map(all) : channel(place, shape);
}

/** Returns the windows that cover a cell. @param {Reading} reading @returns {Range[]} */
function pooled({ index, shape, attributes }) {
  return [single(index[0]), ...planes((axis) => seeing(index, axis, attributes.window, shape, attributes))];
}

/** @param {number} place @returns {Range} */
function single(place) {
  return [place, place + 1];
}

/** @param {number} size @returns {Range} */
function all(size) {
  return [0, size];
}

/** Returns the ranges of rows and columns. @param {(axis: number) => Range} of */
function planes(of) {
  return [of(0), of(1)];
}

/** @param {Range} range @param {number} size @returns {Range} */
function clipped([from, to], size) {
  return [Math.max(from, 0), Math.min(to, size)];
}

/**
 * Returns the first filter that reads a channel, the number of such filters, and the channel's index in their kernels.
 *
 * @param {number} place @param {number[]} w  the shape of the kernels @param {Record<string, any>} attributes
 */
function groupOfChannel(place, [C_out, C_group], { groups }) {
  const filters = C_out / groups;
  return { first: Math.floor(place / C_group) * filters, filters, channel: place % C_group };
}

/**
 * Returns the window positions that cover a cell, along one of its last two axes.
 *
 * @param {number[]} index @param {number} axis @param {number[]} window @param {number[]} shape  of y
 * @param {Record<string, any>} attributes @returns {Range}
 */
function seeing(index, axis, window, shape, { stride, padding, dilation = [1, 1] }) {
  const cell = index[index.length - 2 + axis] + padding[axis][0];
  const first = Math.ceil((cell - dilation[axis] * (window[axis] - 1)) / stride[axis]);
  return clipped([first, Math.floor(cell / stride[axis]) + 1], shape[shape.length - 2 + axis]);
}

/**
 * Returns the cells that the window covers at a position.
 *
 * @param {number[]} index @param {number} axis @param {number[]} window @param {number[]} shape  of x
 * @param {Record<string, any>} attributes @returns {Range}
 */
function seen(index, axis, window, shape, { stride, padding, dilation = [1, 1] }) {
  const first = stride[axis] * index[index.length - 2 + axis] - padding[axis][0];
  return clipped([first, first + dilation[axis] * (window[axis] - 1) + 1], shape[shape.length - 2 + axis]);
}

/**
 * Returns the taps that cover a cell at some position.
 *
 * @param {number[]} index @param {number} axis @param {number[]} y  its shape @param {number[]} w  its shape
 * @param {Record<string, any>} attributes @returns {Range}
 */
function touching(index, axis, y, w, { stride, padding, dilation, flip }) {
  const cell = index[1 + axis] + padding[axis][0];
  const first = Math.ceil((cell - stride[axis] * (y[1 + axis] - 1)) / dilation[axis]);
  const [from, to] = clipped([first, Math.floor(cell / dilation[axis]) + 1], w[2 + axis]);
  return flip ? [w[2 + axis] - to, w[2 + axis] - from] : [from, to];
}
