/**
 * The stages of the network diagram (input, layers, loss) and their tensors in each pass.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {"forward" | "backward"} Pass
 * @typedef {import("../../types.js").LayerInfo} LayerInfo
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {{
 *   tensor: string, label: string, role: "maps" | "parameters", scale: "sequential" | "diverging", leads: boolean,
 *   marks: string[] | null, fixed: [number, number] | null,
 * }} BlockSpec
 *   tensor: the tensor of its cells; leads: whether the block opens at its largest magnitude; marks: labels next to the
 *   cells of a vector; fixed: ends of a scale that does not depend on the values, for example for probabilities; if they
 *   are equal, cells have no colors
 * @typedef {{
 *   name: string, written: string, shape: number[], parameters: number, slim: boolean, blocks: BlockSpec[],
 *   reads: string, shares: string | null, apart: boolean,
 * }} Stage  reads: the inputs of the layer, unless the only one is the previous stage; shares: the layer that owns its
 *   parameters; apart: whether it does not read the previous stage
 */

import { gradientName } from "../../engine/interpreter.js";

/** @type {[number, number]} */
const NO_COLOURS = [0, 0];
/** @type {[number, number]} */
const PROBABILITIES = [0, 1];

/** @param {Trace} trace @param {Pass} pass @returns {Stage[]} */
export function stagesOf(trace, pass) {
  const { layers, input_shape, plan } = trace.description;
  const stages = layers.map((layer, number) => {
    const before = number ? layers[number - 1].name : "input";
    return { ...layerStage(layer, trace, pass), reads: readsWords(layer, before), apart: !layer.inputs.map(stageOf).includes(before) };
  });
  const plain = { parameters: 0, slim: false, reads: "", shares: null, apart: false };
  const input = { name: "input", written: trace.picture.from, shape: input_shape, ...plain };
  const loss = { name: "loss", written: lossName(trace), shape: [], ...plain };
  return [
    { ...input, blocks: [block("x", "maps", "sequential")] },
    ...stages,
    { ...loss, blocks: plan.loss ? [{ ...block("loss.y", "maps", "sequential"), fixed: NO_COLOURS }, targetBlock(trace)] : [] },
  ];
}

/** @param {LayerInfo} layer @param {Trace} trace @param {Pass} pass */
function layerStage(layer, trace, pass) {
  const { name, written, output, parameters, shares } = layer;
  const all = [...outputs(layer, trace, pass), ...parameterBlocks(layer, trace, pass)];
  const blocks = all.filter((candidate) => trace.values.has(candidate.tensor));
  return { name, written, shape: output, parameters, shares, slim: blocks.length === 0, blocks };
}

/** @param {LayerInfo} layer @param {Trace} trace @param {Pass} pass @returns {BlockSpec[]} */
function outputs(layer, trace, pass) {
  const last = layer === trace.description.layers[trace.description.layers.length - 1];
  const marks = last || layer.output[0] === trace.description.classes.length ? trace.description.classes : null;
  const forward = pass === "forward";
  const spec = block(`${layer.name}.${forward ? "y" : "dy"}`, "maps", forward ? "sequential" : "diverging");
  const probabilities = forward && (layer.type === "Softmax" || (last && layer.type === "Sigmoid"));
  return [{ ...spec, marks: layer.output.length === 1 ? marks : null, fixed: probabilities ? PROBABILITIES : null }];
}

/** Returns the blocks of kernels and vectors; the matrix of a dense layer is too large for the diagram. @param {LayerInfo} layer @param {Trace} trace @param {Pass} pass @returns {BlockSpec[]} */
function parameterBlocks(layer, trace, pass) {
  const names = Object.keys(trace.description.layout).filter((name) => name.startsWith(`${layer.name}.`));
  return names.filter((name) => trace.description.shapes[name].length !== 2).map((name) => inPass(name, pass));
}

/** @param {string} name @param {Pass} pass @returns {BlockSpec} */
function inPass(name, pass) {
  if (pass === "forward") return block(name, "parameters", "diverging");
  return { ...block(gradientName(name), "parameters", "diverging"), leads: true };
}

/** @param {Trace} trace @returns {BlockSpec} */
function targetBlock(trace) {
  const { classes, measure } = trace.description;
  return { ...block("t", "maps", "sequential"), label: "t", marks: classes, fixed: measure.endsWith("accuracy") ? PROBABILITIES : null };
}

/**
 * @param {string} tensor @param {"maps" | "parameters"} role @param {"sequential" | "diverging"} scale
 * @returns {BlockSpec}
 */
function block(tensor, role, scale) {
  const label = tensor.includes(".") ? tensor.slice(tensor.indexOf(".") + 1) : tensor;
  return { tensor, label, role, scale, fixed: null, leads: false, marks: null };
}

/** @param {Trace} trace */
function lossName(trace) {
  const { outputs, recipe: { loss } } = trace.description;
  if (outputs.length) return outputs.map((output) => `${output.name}: ${output.loss.replaceAll("_", " ")}`).join(", ");
  return typeof loss === "string" ? loss.replaceAll("_", " ") : "";
}

/** Returns the name of the stage of an input; null is the network's input. @param {string | null} input */
function stageOf(input) {
  return input ?? "input";
}

/**
 * Returns the inputs of a layer in words, joined by its operation: "conv2 + relu1"; "" if it reads only the previous stage.
 * @param {LayerInfo} layer @param {string} before  name of the previous stage
 */
function readsWords({ type, inputs }, before) {
  const names = inputs.map(stageOf);
  const sign = { Add: " +\u00a0", Multiply: " ·\u00a0" }[type] ?? ", ";
  if (names.length > 1) return names.join(sign);
  return names[0] === before ? "" : `reads ${names[0]}`;
}
