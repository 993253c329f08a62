/**
 * The catalogue of a training plan: its tensors, the operations that write them, and their aliases.
 *
 * @typedef {import("../types.js").Description} Description
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Plan} Plan
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {import("../types.js").Trace} Trace
 */

import { gradientName, gradientPart, primal } from "../engine/interpreter.js";
import { TensorCatalogue } from "./cells.js";

/** @type {WeakMap<Trace, TensorCatalogue>} */
const catalogues = new WeakMap();

/** Returns the catalogue of a trace, which is built only once. @param {Trace} trace */
export function catalogueOf(trace) {
  let catalogue = catalogues.get(trace);
  if (!catalogue) catalogues.set(trace, (catalogue = buildCatalogue(trace)));
  return catalogue;
}

/** @param {Trace} trace */
function buildCatalogue({ description, values }) {
  const { plan, layers } = description;
  const catalogue = new TensorCatalogue();
  catalogue.layers = layers.map((layer) => layer.name);
  const states = new Set(plan.deferred.flatMap((operation) => operation.writes).map((tensor) => tensor.storage));
  catalogue.add("x", plan.input.shape, "input");
  catalogue.add("t", plan.target?.shape ?? [], "target");
  for (const [name, shape] of Object.entries(description.shapes)) {
    catalogue.add(name, shape, states.has(name) ? "state" : "parameter");
  }
  written(plan, catalogue);
  omitted(description, catalogue);
  for (const [name, { shape }] of values) {
    if (name.endsWith(".update")) catalogue.add(name, shape, "update");
    else catalogue.add(name, shape, name.endsWith(".g") ? "batch" : "moment");
  }
  aliases(description, catalogue);
  return catalogue;
}

/** Returns all operations, each with the layer that emitted it. @param {Plan} plan @returns {[Operation, string][]} */
function operationsWithLayers(plan) {
  const layers = new Set(plan.forward.map(({ writes }) => prefix(writes[0].name)));
  /** @type {(operation: Operation) => [Operation, string]} */
  const forward = (operation) => [operation, prefix(operation.writes[0].name)];
  /** @type {(operation: Operation) => [Operation, string]} */
  const backward = (operation) => {
    const [write, read] = [operation.writes[0], operation.reads[0]];
    if (write.kind === "gradient" || !read) {
      const through = write.name.slice(write.name.lastIndexOf(".") + 1).split("_").slice(1).join("_");
      return [operation, layers.has(through) ? through : prefix(write.name)]; // part of a gradient: the layer it comes from
    }
    return [operation, operation.name.endsWith("_dp") ? "loss" : prefix(read.name)];
  };
  return [...plan.forward.map(forward), ...plan.deferred.map(forward), ...plan.backward.map(backward)];
}

/** Returns the layer part of a tensor name: conv2 for conv2.w. @param {string} name */
export function prefix(name) {
  return name.slice(0, Math.max(name.lastIndexOf("."), 0));
}

/** @param {Plan} plan @param {TensorCatalogue} catalogue */
function written(plan, catalogue) {
  const results = new Map([plan.loss, plan.correct].map((tensor) => [tensor?.storage, tensor?.shape]));
  for (const [operation, layer] of operationsWithLayers(plan)) {
    const deferred = plan.deferred.includes(operation);
    const backward = plan.backward.includes(operation);
    operation.writes.forEach((tensor, place) => {
      const name = deferred ? `${tensor.storage}.update` : tensor.storage;
      catalogue.writers.set(name, { operation, place, layer });
      const kind = deferred ? "update" : backward ? "gradient" : tensor.kind;
      const entry = backward && catalogue.entries.get(primal(name)); // missing for a partial sum
      catalogue.add(name, entry ? entry.shape : (results.get(name) ?? tensor.shape), kind);
    });
  }
}

/**
 * Adds the probabilities and their gradient, which a plan omits if it joins their layer with the loss.
 *
 * @param {Description} description @param {TensorCatalogue} catalogue
 */
function omitted({ joined, plan, layers }, catalogue) {
  if (!joined || !plan.target) return;
  const last = layers[layers.length - 1];
  const y = tensor(`${last.name}.y`, last.output);
  const dy = tensor(gradientName(y.name), last.output);
  if (!catalogue.entries.has(y.name)) {
    catalogue.add(y.name, y.shape, "activation");
    const value = operation(joined.activation, [plan.output], [y]);
    catalogue.writers.set(y.name, { operation: value, place: 0, layer: last.name });
  }
  catalogue.add(dy.name, y.shape, "gradient");
  const positions = y.shape.slice(1).reduce((product, size) => product * size, 1);
  const loss = { ...operation(joined.gradient, [y, plan.target], [dy]), runtime: rowsOf(positions) };
  catalogue.writers.set(dy.name, { operation: loss, place: 0, layer: "loss" });
}

/** The number of rows of a batch, for each sample's number of positions. @param {number} positions */
function rowsOf(positions) {
  return { batch: /** @type {[string, number]} */ (["batch", positions]) };
}

/** @param {string} name @param {number[]} shape @returns {Tensor} */
function tensor(name, shape) {
  return { name, shape, kind: "activation", storage: name, integer: false };
}

/** @param {string} name @param {Tensor[]} reads @param {Tensor[]} writes @returns {Operation} */
function operation(name, reads, writes) {
  return { name, reads, writes, attributes: {}, runtime: {}, scope: "sample", opaque: false };
}

/**
 * Adds the aliases: x and dx of every layer (x2 … for further inputs), and y and dy of layers that only reshape.
 *
 * @param {Description} description @param {TensorCatalogue} catalogue
 */
function aliases({ layers, plan }, catalogue) {
  /** Storage and shape of each layer's output. @type {Map<string, [string, number[]]>} */
  const outputs = new Map();
  for (const { name, output, inputs } of layers) {
    /** @type {[string, number[]][]} */
    const read = inputs.map((from) => outputs.get(from) ?? ["x", plan.input.shape]);
    if (read.length === 1) catalogue.inputs.set(name, read[0][0]);
    read.forEach(([storage, shape], place) => {
      const ordinal = place ? place + 1 : "";
      const part = gradientPart(storage, name); // if several layers read it
      catalogue.alias(`${name}.x${ordinal}`, storage, shape);
      catalogue.alias(`${name}.dx${ordinal}`, catalogue.entries.has(part) ? part : gradientName(storage), shape);
    });
    const storage = catalogue.entries.has(`${name}.y`) ? `${name}.y` : read[0][0];
    outputs.set(name, [storage, output]);
    catalogue.alias(`${name}.y`, storage, output);
    catalogue.alias(`${name}.dy`, gradientName(storage), output);
  }
  const last = layers[layers.length - 1];
  const loss = plan.output.storage; // the scores, if the last layer is joined with the loss
  catalogue.inputs.set("loss", loss);
  catalogue.alias("loss", "loss.y", []);
  catalogue.alias("loss.p", loss, last.output);
  catalogue.alias("loss.dp", gradientName(loss), last.output);
}
