/** A network from the server on 127.0.0.1, where training runs in Python. */

/** @typedef {import("../types.js").BatchStep} BatchStep */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Source} Source */
/** @typedef {import("../types.js").Training} Training */
/** @typedef {import("../types.js").Samples} Samples */

import { rowsOf } from "./samples.js";

/** The server did not answer. It was stopped, or the machine is asleep. */
export class Unreachable extends Error {}

/** @returns {Source} */
export function serverSource() {
  /** @type {Promise<Samples> | null} */
  let samples = null;
  return {
    description: () => json("api/description"),
    async frame(step, signal) {
      const response = await request(step === null ? "api/frame" : `api/frame?step=${step}`, { signal });
      return readFrame(await response.arrayBuffer());
    },
    async batchStep(step) {
      const response = await request(`api/step?step=${step}`);
      if (response.headers.get("Content-Type")?.startsWith("application/json")) throw new Error((await response.json()).why);
      return readBatchStep(await response.arrayBuffer());
    },
    async contributions(step, name, indices) {
      const query = new URLSearchParams({ step: String(step), name, index: indices.join() });
      const rows = await json(`api/step/contributions?${query}`);
      return rows.map((/** @type {(number | null)[]} */ row) => row.map((contribution) => contribution ?? NaN));
    },
    samples() {
      samples ??= fetchSamples().catch((error) => {
        samples = null;
        throw error;
      });
      return samples;
    },
    training: TRAINING,
  };
}

/** @type {Training} */
const TRAINING = {
  state: () => json("api/training"),
  series: (after) => json(`api/training/series?after=${after}`),
  start: () => post("start"),
  pause: () => post("pause"),
  advance: (steps) => post("advance", { steps }),
  epoch: () => post("epoch"),
  restart: () => post("restart"),
};

/** @param {string} what @param {object} [body] */
function post(what, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return json(`api/training/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Requests JSON. @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
async function json(path, options) {
  return (await request(path, options)).json();
}

/**
 * Decodes a frame: the length of a JSON header (4 bytes, little-endian), the header, then float32 arrays.
 * @param {ArrayBuffer} bytes
 * @returns {Frame}
 */
function readFrame(bytes) {
  const { header, take } = parse(bytes);
  return { rate: header.rate, ...buffers(header, take) };
}

/** Decodes a step: a frame, followed by the gradient, the targets, the weights and the images. @param {ArrayBuffer} bytes @returns {BatchStep} */
function readBatchStep(bytes) {
  const { header, take, rest } = parse(bytes);
  const { step, rate, norm, scale, numbers, labels } = header;
  const after = { rate, ...buffers(header, take), step: step + 1 };
  const gradient = take(header.sizes.parameters);
  const [targets, weights] = [header.sizes.targets, header.sizes.weights].map((size) => (size ? rowsOf(take(size), numbers.length) : null));
  return { step, rate, norm, scale, after, gradient, numbers, labels, targets, weights, images: arrayOf(rest(), header) };
}

/** @param {any} header @param {(size: number) => Float32Array} take */
function buffers({ step, sizes: { parameters, statistics, moments } }, take) {
  const [values, running] = [take(parameters), take(statistics)];
  return { step, parameters: values, statistics: running, moments: moments === null ? null : moments.map(take) };
}

/** Reads a header, and arrays after it. @param {ArrayBuffer} bytes */
function parse(bytes) {
  const short = () => new Error(`the server’s answer is truncated (${bytes.byteLength} bytes)`);
  const length = bytes.byteLength < 4 ? Infinity : new DataView(bytes).getUint32(0, true);
  if (4 + length > bytes.byteLength) throw short();
  let start = 4 + length;
  return {
    header: JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))),
    rest: () => bytes.slice(start),
    take(/** @type {number} */ size) {
      if (start + 4 * size > bytes.byteLength) throw short();
      const array = new Float32Array(bytes.slice(start, start + 4 * size));
      start += 4 * size;
      return array;
    },
  };
}

async function fetchSamples() {
  const [about, bytes] = await Promise.all([request("api/samples"), request("api/samples.bin")]);
  const { count, labels, targets, floats } = await about.json();
  return { count, labels, targets, x: arrayOf(await bytes.arrayBuffer(), { floats }) };
}

/** @param {ArrayBuffer} bytes @param {{floats: boolean}} kind */
function arrayOf(bytes, { floats }) {
  return floats ? new Float32Array(bytes) : new Uint8Array(bytes);
}

/** @param {string} path @param {RequestInit} [options] */
async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Unreachable("The server of this page does not answer.");
  }
  if (!response.ok) throw new Error(await errorText(response, path));
  return response;
}

/** Returns the server's error message. @param {Response} response @param {string} path */
async function errorText(response, path) {
  if (response.status === 401 || response.status === 403) {
    return "The server refused this window. Open the address that chainrule printed, including its token.";
  }
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    return String(body.error ?? body.detail ?? text);
  } catch {
    return text.length < 300 && !text.includes("<") ? text : `${path}: the server answered ${response.status}`;
  }
}
