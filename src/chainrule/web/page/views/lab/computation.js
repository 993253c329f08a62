/**
 * One operation and its gradients on the arrays of the lab, as a trace: a network of one layer whose loss is
 * Σ dy · y for the given dy. Every cell can then be explained in the same way as in a real network.
 *
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("../../types.js").Tensor} Tensor
 * @typedef {import("../../types.js").Operation} Operation
 * @typedef {import("../../types.js").Trace} Trace
 */
import { gradientName } from "../../engine/interpreter.js";
import { operations } from "../../engine/operations.js";
import { reshaped, sameShape } from "../../engine/tensor.js";
import { array, resized, slides } from "./setting.js";
import { dilationOf, outputShape, paddingOf, strideOf, windowOf } from "./sizes.js";
import { pattern } from "./upstream.js";

/** @type {Record<string, string>} */
const LAYERS = { correlation: "conv1", convolution: "conv1", max: "pool1", average: "pool1", sum: "pool1" };

/** Returns the name of the one layer. @param {Setting} setting */
export const layerOf = (setting) => LAYERS[setting.kind];

/**
 * Returns dy in the shape of the result: the typed values where there are any, and the pattern elsewhere.
 * @param {Setting} setting
 */
export function upstream(setting) {
  const shape = outputShape(setting);
  const usual = pattern(shape);
  if (!setting.dy) return usual;
  if (sameShape(setting.dy.shape, shape)) return setting.dy;
  return resized(setting.dy, shape, ([c, i, j]) => usual.data[(c * shape[1] + i) * shape[2] + j]);
}

/**
 * @param {Setting} setting
 * @param {Partial<import("../../types.js").Description>} [told]  further fields of the description
 * @returns {Trace}
 */
export function traceOf(setting, told = {}) {
  const layer = layerOf(setting);
  const [forward, backward] = slides(setting.kind) ? convolved(setting, layer) : pooled(setting, layer);
  const plan = planOf(setting, layer, forward, backward);
  /** @type {Map<string, NDArray>} */
  const values = new Map([
    ["x", setting.x],
    [`${layer}.dy`, upstream(setting)],
  ]);
  if (slides(setting.kind)) values.set(`${layer}.w`, setting.w).set(`${layer}.b`, array([setting.b.length], setting.b));
  for (const operation of [...forward, ...backward]) run(operation, values);
  return {
    description: { ...descriptionOf(setting, layer, plan), ...told },
    frame: { step: 0, rate: 0, parameters: new Float32Array(0), statistics: new Float32Array(0), moments: null },
    picture: { x: new Uint8Array(0), label: null, from: "typed" },
    values,
    batch: null,
    nudge: null,
  };
}

/** Runs one operation of the plan on one sample. @param {Operation} operation @param {Map<string, NDArray>} values */
function run(operation, values) {
  const arrays = operation.reads.map((tensor) => {
    const found = tensor && values.get(tensor.name);
    if (!tensor || !found) return null;
    return tensor.kind === "parameter" ? found : reshaped(found, [1, ...found.shape]);
  });
  const results = operations[operation.name](arrays, operation.attributes);
  operation.writes.forEach((tensor, k) => {
    values.set(tensor.name, tensor.kind === "gradient" ? results[k] : reshaped(results[k], results[k].shape.slice(1)));
  });
}

/** @param {Setting} setting @param {string} layer @returns {[Operation[], Operation[]]} */
function convolved(setting, layer) {
  const x = tensor("x", setting.x.shape, "input");
  const w = tensor(`${layer}.w`, setting.w.shape, "parameter");
  const b = tensor(`${layer}.b`, [setting.b.length], "parameter");
  const y = tensor(`${layer}.y`, outputShape(setting));
  const [dy, dw, db] = [gradient(y), gradient(w), gradient(b)];
  const options = {
    stride: strideOf(setting),
    padding: paddingOf(setting),
    dilation: dilationOf(setting),
    groups: 1,
    flip: setting.kind === "convolution",
  };
  const [size, kernel] = [setting.x.shape.slice(1), setting.w.shape.slice(2)];
  return [
    [operation("cross_correlate", [x, w, b], [y], options)],
    [
      operation("bias_gradient", [dy], [db], { untied: false }),
      operation("cross_correlate_dw", [x, dy], [dw], { kernel, ...options }),
      operation("cross_correlate_dx", [dy, w], [gradient(x)], { size, ...options }),
    ],
  ];
}

/** @param {Setting} setting @param {string} layer @returns {[Operation[], Operation[]]} */
function pooled(setting, layer) {
  const x = tensor("x", setting.x.shape, "input");
  const y = tensor(`${layer}.y`, outputShape(setting));
  const options = { window: windowOf(setting), stride: strideOf(setting), padding: paddingOf(setting) };
  const size = setting.x.shape.slice(1);
  if (setting.kind === "max") {
    const winner = { ...tensor(`${layer}.winner`, y.shape), integer: true };
    return [
      [operation("max_pool", [x], [y, winner], options)],
      [operation("max_pool_dx", [gradient(y), winner], [gradient(x)], { size })],
    ];
  }
  const divided = { ...options, divisor: setting.kind === "sum" ? "one" : setting.divisor };
  return [
    [operation("average_pool", [x], [y], divided)],
    [operation("average_pool_dx", [gradient(y)], [gradient(x)], { size, ...divided })],
  ];
}

/** @param {string} name @param {number[]} shape @param {string} [kind] @returns {Tensor} */
const tensor = (name, shape, kind = "activation") => ({ name, shape, kind, storage: name, integer: false });

/** Returns the tensor of a gradient, named with a `d`. @param {Tensor} of @returns {Tensor} */
function gradient(of) {
  const name = gradientName(of.name);
  return { ...of, name, storage: name, kind: of.kind === "parameter" ? "gradient" : "activation" };
}

/**
 * @param {string} name
 * @param {Tensor[]} reads
 * @param {Tensor[]} writes
 * @param {Record<string, any>} attributes
 * @returns {Operation}
 */
function operation(name, reads, writes, attributes) {
  return { name, reads, writes, attributes, runtime: {}, scope: "sample", opaque: false };
}

/** @param {Setting} setting @param {string} layer @param {Operation[]} forward @param {Operation[]} backward */
function planOf(setting, layer, forward, backward) {
  const output = tensor(`${layer}.y`, outputShape(setting));
  const input = tensor("x", setting.x.shape, "input");
  return { input, output, target: null, loss: null, correct: null, forward, backward, deferred: [] };
}

/** @param {Setting} setting @param {string} layer @returns {Record<string, number[]>} */
function parameterShapes(setting, layer) {
  return slides(setting.kind) ? { [`${layer}.w`]: setting.w.shape, [`${layer}.b`]: [setting.b.length] } : {};
}

/**
 * @param {Setting} setting
 * @param {string} layer
 * @param {import("../../types.js").Plan} plan
 * @returns {import("../../types.js").Description}
 */
function descriptionOf(setting, layer, plan) {
  const parameters = slides(setting.kind) ? setting.w.data.length + setting.b.length : 0;
  const output = outputShape(setting);
  const info = { name: layer, type: slides(setting.kind) ? "Conv2D" : "Pool2D", written: "", parameters };
  return {
    format: 1,
    name: "lab",
    classes: [],
    from_file: false,
    measure: "accuracy",
    input_shape: setting.x.shape,
    normalization: { kind: "none", gain: 1, offset: 0, pixels: "numbers" },
    layers: [{ ...info, inputs: [""], shares: "", input: setting.x.shape, output }],
    layout: {},
    shapes: parameterShapes(setting, layer),
    plan,
    inference: { ...plan, backward: [] },
    recipe: {},
    optimizer: { name: "", operation: "", moments: [], learning_rate: 0, attributes: {} },
    operations: {},
  };
}
