/** What the tests ask of the page's modules. Arrays come and go as base64 of their bytes: see bridge.py. */

import { operations } from "/engine/operations.js";
import { streamNumber, uniform } from "/engine/randomness.js";
import { LossOf, canNudge } from "/engine/nudge.js";
import { clipping } from "/engine/updating.js";
import { changeOf } from "/explain/change.js";
import { answer, makeTrace } from "/engine/trace.js";
import { Trainer } from "/engine/training.js";
import { canonical, explain } from "/explain/index.js";
import { valueOf } from "/explain/naming.js";
import { bracketed, distinct, formatList, formatNumber } from "/explain/numbers.js";
import { printedSum } from "/explain/printed_sum.js";
import { baseOf, gradientOf, sheetOf } from "/explain/sheet.js";

const KINDS = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u1: Uint8Array };
let trace = null;

/** The answer of one of the functions below, as JSON. */
export async function answered(name, text) {
  const given = JSON.parse(text, (_, value) => (value && value.kind in KINDS && "bytes" in value ? unpacked(value) : value));
  return JSON.stringify(packed(FUNCTIONS[name](...given)));
}

const FUNCTIONS = {
  run: (cases) => cases.map(({ name, arrays, attributes }) => attempted(() => operations[name](arrays, attributes))),
  numbers: (values, digits) => Array.from(values.data, (value) => [formatNumber(value, digits), bracketed(value, digits)]),
  apart: (values, others) => Array.from(values.data, (value, place) => distinct(value, others.data[place])),
  listed: (values, joint) => formatList(Array.from(values.data), joint),
  uniform: (seed, stream, step, sample, elements) => array(uniform(BigInt(seed), stream, step, sample, elements)),
  streamNumber,
  look(description, frame, picture) {
    trace = makeTrace(description, raw(frame), { ...picture, x: picture.x.data });
    return [...trace.values.keys()];
  },
  trace(description, frame, picture) {
    FUNCTIONS.look(description, frame, picture);
    return Object.fromEntries(trace.values);
  },
  answer: (description, frame, picture) => answer(description, raw(frame), { ...picture, x: picture.x.data }),
  explain: (cells, digits) => cells.map((cell) => attempted(() => explain(trace, cell, digits))),
  sheet(cell) {
    const sheet = sheetOf(trace, cell);
    const names = [...sheet.cells].flatMap((name) => [name, gradientOf(name)]).filter((name) => valueOf(trace, name) !== null);
    const isShown = (name) => sheet.cells.has(baseOf(trace, name));
    const numbers = names.map((name) => ({ name, value: valueOf(trace, name), sum: printedSum(explain(trace, name), isShown) }));
    return { thread: sheet.thread, weight: sheet.weight, isWhole: sheet.isWhole, numbers };
  },
  nudgeable: (tensor) => canNudge(trace, tensor),
  nudged(tensor, flat, values, epsilon) {
    const loss = new LossOf(trace, tensor, flat);
    return [values.map((value) => loss.at(value)), loss.quotient(epsilon)];
  },
  changed(description, frame, picture, after, gradient, cells) {
    const values = raw(frame);
    const norm = Math.hypot(...gradient.data);
    const scale = clipping(norm, description.recipe.clip_norm);
    const batch = { step: frame.step, rate: frame.rate, norm, scale, numbers: [0], labels: null, images: null };
    const next = { ...values, parameters: after.data };
    trace = makeTrace(description, values, { ...picture, x: picture.x.data }, {
      batch: { ...batch, gradient: gradient.data, after: next },
    });
    return cells.map(([name, index]) => changeOf(trace, name, index));
  },
  canonical: (cells) => cells.map((cell) => attempted(() => canonical(trace, cell))),
  failing(description, frame, { x, labels }) {
    const trainer = new Trainer(description, raw(frame));
    const result = attempted(() => trainer.step({ x: x.map(({ data }) => data), labels }));
    const { step, parameters } = trainer.frame();
    return { ...result, step, parameters: array(parameters) };
  },
  train(description, frame, batches) {
    const trainer = new Trainer(description, raw(frame));
    const outcomes = batches.map(({ x, ...answers }) => trainer.step({ x: x.map(({ data }) => data), ...answers }));
    const { step, rate, parameters, statistics, moments } = trainer.frame();
    return { outcomes, step, rate, parameters: array(parameters), statistics: array(statistics), moments: moments.map(array) };
  },
};

function attempted(run) {
  try {
    return run();
  } catch (error) {
    return { error: error.message };
  }
}

function raw(frame) {
  const moments = frame.moments && frame.moments.map(({ data }) => data);
  return { ...frame, parameters: frame.parameters.data, statistics: frame.statistics.data, moments };
}

function array(data) {
  return { shape: [data.length], data };
}

function unpacked({ shape, kind, bytes }) {
  return { shape, data: new KINDS[kind](Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)).buffer) };
}

function packed(value) {
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value).replace("Infinity", "inf") };
  if (Array.isArray(value)) return value.map(packed);
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value.data)) return { shape: value.shape, kind: kindOf(value.data), bytes: bytesOf(value.data) };
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, packed(own)]));
}

function kindOf(data) {
  return Object.keys(KINDS).find((kind) => data instanceof KINDS[kind]);
}

function bytesOf(data) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
