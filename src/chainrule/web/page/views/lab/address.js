/**
 * Encoding of a setting in the address, for links: `max!x1.4.4_5~2~7…!s1~1`. Default values are omitted.
 *
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("./setting.js").Kind} Kind
 * @typedef {import("./setting.js").Pair} Pair
 * @typedef {import("../../types.js").NDArray} NDArray
 */
import { sizeOf } from "../../engine/tensor.js";
import { sampleName, sampleNumber } from "../../source/samples.js";
import { read, written } from "./numbers.js";
import { CHANNELS, FARTHEST, LARGEST, array, setting, slides, worked } from "./setting.js";

const KINDS = ["correlation", "convolution", "max", "average", "sum"];
/** @type {import("./setting.js").Divisor[]} */
const DIVISORS = ["cells", "window"];
const PADDINGS = ["valid", "same", "full"];
export const MOST = { stride: 12, padding: 12, dilation: 4, window: 12 };

/** @param {Setting} now @returns {string} */
export function toAddress(now) {
  const usual = setting(now.x, now.w);
  const sample = sampleNumber(now.source);
  /** @type {[string, string | null][]} */
  const fields = [
    ["x", sample === null ? arrayText(now.x) : `sample${sample}`],
    ["w", arrayText(now.w)],
    ["b", now.b.some((value) => value) ? written(now.b) : null],
    ["d", now.dy ? arrayText(now.dy) : null],
    ["s", now.stride ? written(now.stride) : null],
    ["p", paddingText(now.padding)],
    ["e", same(now.dilation, usual.dilation) ? null : written(now.dilation)],
    ["k", same(now.window, usual.window) && slides(now.kind) ? null : written(now.window)],
    ["v", now.divisor === usual.divisor ? null : now.divisor],
    ["f", now.source && sample === null ? "1" : null],
    ["c", now.beside ? "1" : null],
    ["o", now.cell && now.cell.replace(/[[,]/g, "~").replace("]", "")],
  ];
  const text = [now.kind, ...fields.filter(([, value]) => value !== null).map((field) => field.join(""))].join("!");
  return text === first ? "" : text;
}

/**
 * Decodes the setting in an address. Throws an error that names what cannot be read.
 *
 * @param {string} text
 * @param {(number: number) => NDArray | null} sample  returns the pixels of a sample, if the page has it
 * @returns {Setting}
 */
export function fromAddress(text, sample) {
  if (text === "") return worked();
  const [kind, ...parts] = text.split("!");
  known("operation", kind, KINDS);
  const fields = new Map(parts.map((part) => [part[0], part.slice(1)]));
  const [x, source] = inputOf(fields.get("x") ?? "", fields.has("f"), sample);
  const w = arrayOf("the kernel", fields.get("w") ?? "", 4, [CHANNELS, CHANNELS, LARGEST, LARGEST]);
  if (w.shape[1] !== x.shape[0]) {
    throw new Error(`the kernel is for ${w.shape[1]} channels, the input has ${x.shape[0]}`);
  }
  const change = { kind: /** @type {Kind} */ (kind), source, beside: fields.has("c"), cell: cellOf(fields.get("o")) };
  return setting(x, w, { ...change, ...options(fields, w.shape[0]) });
}

/**
 * @param {Map<string, string>} fields
 * @param {number} filters
 * @returns {Partial<Setting>}
 */
function options(fields, filters) {
  /** @type {Partial<Setting>} */
  const found = {};
  const [b, dy, stride, padding] = ["b", "d", "s", "p"].map((name) => fields.get(name));
  const [dilation, window, divisor] = ["e", "k", "v"].map((name) => fields.get(name));
  if (b) found.b = numbersOf("the biases", b, filters);
  if (dy) found.dy = arrayOf("the upstream gradient", dy, 3, [CHANNELS, 3 * FARTHEST, 3 * FARTHEST]);
  if (stride) found.stride = pairOf("stride", stride);
  if (padding) found.padding = paddingOf(padding);
  if (dilation) found.dilation = pairOf("dilation", dilation);
  if (window) found.window = pairOf("window", window);
  if (divisor) found.divisor = known("divisor", divisor, DIVISORS);
  return found;
}

/**
 * @param {string} text
 * @param {boolean} pixels
 * @param {(number: number) => NDArray | null} sample
 * @returns {[NDArray, string]}
 */
function inputOf(text, pixels, sample) {
  const named = /^sample(\d+)$/.exec(text);
  if (!named) {
    const most = pixels ? FARTHEST : LARGEST;
    return [arrayOf("the input", text, 3, [CHANNELS, most, most]), pixels ? "an image" : ""];
  }
  const x = sample(Number(named[1]));
  if (!x) throw new Error(`there is no sample ${named[1]} here`);
  return [x, sampleName(Number(named[1]))];
}

/** Decodes the name of a cell from conv1.dw~0~0~1~1. @param {string | undefined} text */
function cellOf(text) {
  const found = /^([a-z0-9.]+)~(\d+(?:~\d+)*)$/.exec(text ?? "");
  return found ? `${found[1]}[${found[2].replaceAll("~", ",")}]` : null;
}

/** @param {NDArray} values */
const arrayText = (values) => `${values.shape.join(".")}_${written(values.data)}`;

/**
 * @param {string} what
 * @param {string} text
 * @param {number} axes
 * @param {number[]} most
 * @returns {NDArray}
 */
function arrayOf(what, text, axes, most) {
  const end = text.includes("_") ? text.indexOf("_") : text.length;
  const [sizes, values] = [text.slice(0, end), text.slice(end + 1)];
  const shape = sizes.split(".").map(Number);
  const fits = shape.length === axes && shape.every((size, axis) => size >= 1 && size <= most[axis] && size % 1 === 0);
  if (!fits) throw new Error(`${what} has the size ${short(sizes)}; expected at most ${most.join("×")}`);
  return array(shape, numbersOf(what, values, sizeOf(shape)));
}

/** @param {string} what @param {string} text @param {number} count */
function numbersOf(what, text, count) {
  const values = read(text, count);
  if (!values) throw new Error(`${what} should be ${count} numbers, found ${short(text)}`);
  return values;
}

/** @param {"stride" | "dilation" | "window"} what @param {string} text @returns {Pair} */
function pairOf(what, text) {
  const [vertical, horizontal] = numbersOf(what, text, 2);
  const most = MOST[what];
  const whole = [vertical, horizontal].every((size) => Number.isInteger(size) && size >= 1 && size <= most);
  if (!whole) throw new Error(`${what} is ${short(text)}; expected two whole numbers from 1 to ${most}`);
  return [vertical, horizontal];
}

/** @param {Setting["padding"]} padding */
function paddingText(padding) {
  if (padding === "valid") return null;
  return typeof padding === "string" ? padding : written(padding.flat());
}

/** @param {string} text @returns {Setting["padding"]} */
function paddingOf(text) {
  if (PADDINGS.includes(text)) return /** @type {Setting["padding"]} */ (text);
  const values = read(text, 4);
  if (!values || !values.every((zeros) => Number.isInteger(zeros) && zeros >= 0 && zeros <= MOST.padding)) {
    throw new Error(
      `padding is ${short(text)}; expected valid, same, full or four whole numbers up to ${MOST.padding}`,
    );
  }
  return [
    [values[0], values[1]],
    [values[2], values[3]],
  ];
}

/**
 * @template {string} T
 * @param {string} what
 * @param {string} text
 * @param {T[]} names
 * @returns {T}
 */
function known(what, text, names) {
  const found = names.find((name) => name === text);
  if (!found) throw new Error(`the ${what} is ${short(text)}; known: ${names.join(", ")}`);
  return found;
}

/** @param {string} text */
const short = (text) => `“${text.length > 24 ? `${text.slice(0, 24)}…` : text}”`;

/** @param {Pair} one @param {Pair} other */
const same = (one, other) => one[0] === other[0] && one[1] === other[1];

const usual = worked();
const first = ["correlation", `x${arrayText(usual.x)}`, `w${arrayText(usual.w)}`].join("!");
