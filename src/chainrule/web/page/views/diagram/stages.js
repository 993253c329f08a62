/**
 * The stages of the network diagram (input, layers, loss) and their tensors in each phase.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../types.js").LayerInfo} LayerInfo
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {{
 *   tensor: string, key: string, label: string, role: "maps" | "parameters", scale: "sequential" | "diverging",
 *   minus: string | null, trio: string | null, leads: boolean, follows: boolean,
 *   marks: string[] | null, fixed: [number, number] | null,
 * }} BlockSpec
 *   tensor: the tensor of its cells; key: distinguishes blocks of one tensor; minus: a tensor to subtract (for the
 *   change of a parameter); trio: name of a row of three blocks that show the same page; leads: whether the block opens
 *   at its largest magnitude; follows: whether it has no page buttons, because another block of its trio leads; marks: labels next to the cells of a vector; fixed: ends of a
 *   scale that does not depend on the values, for example for probabilities; if they are equal, cells have no colors
 * @typedef {{
 *   name: string, written: string, shape: number[], parameters: number, slim: boolean, blocks: BlockSpec[],
 *   reads: string, shares: string | null, apart: boolean,
 * }} Stage  reads: the inputs of the layer, unless the only one is the previous stage; shares: the layer that owns its
 *   parameters; apart: whether it does not read the previous stage
 */

import { readsWords, stageOf } from "./wires.js";

/** @type {[number, number]} */
const NO_COLOURS = [0, 0];
/** @type {[number, number]} */
const PROBABILITIES = [0, 1];

/** @param {Trace} trace @param {Phase} phase @returns {Stage[]} */
export function stagesOf(trace, phase) {
  const { layers, input_shape, plan } = trace.description;
  const stages = layers.map((layer, number) => {
    const before = number ? layers[number - 1].name : "input";
    return { ...layerStage(layer, trace, phase), reads: readsWords(layer, before), apart: !layer.inputs.map(stageOf).includes(before) };
  });
  if (phase === "update") return stages.filter((stage) => !stage.slim);
  const plain = { parameters: 0, slim: false, reads: "", shares: null, apart: false };
  const input = { name: "input", written: trace.picture.from, shape: input_shape, ...plain };
  const loss = { name: "loss", written: lossName(trace), shape: [], ...plain };
  return [
    { ...input, blocks: [block("x", "maps", "sequential")] },
    ...stages,
    { ...loss, blocks: plan.loss ? [{ ...block("loss.y", "maps", "sequential"), fixed: NO_COLOURS }, targetBlock(trace)] : [] },
  ];
}

/** @param {LayerInfo} layer @param {Trace} trace @param {Phase} phase */
function layerStage(layer, trace, phase) {
  const { name, written, output, parameters, shares } = layer;
  const all = [...outputs(layer, trace, phase), ...parameterBlocks(layer, trace, phase)];
  const blocks = all.filter((candidate) => trace.values.has(candidate.tensor));
  return { name, written, shape: output, parameters, shares, slim: blocks.length === 0, blocks };
}

/** @param {LayerInfo} layer @param {Trace} trace @param {Phase} phase @returns {BlockSpec[]} */
function outputs(layer, trace, phase) {
  const last = layer === trace.description.layers[trace.description.layers.length - 1];
  const marks = last || layer.output[0] === trace.description.classes.length ? trace.description.classes : null;
  if (phase === "update") return [];
  const forward = phase === "forward";
  const spec = block(`${layer.name}.${forward ? "y" : "dy"}`, "maps", forward ? "sequential" : "diverging");
  const probabilities = forward && (layer.type === "Softmax" || (last && layer.type === "Sigmoid"));
  return [{ ...spec, marks: layer.output.length === 1 ? marks : null, fixed: probabilities ? PROBABILITIES : null }];
}

/** Returns the blocks of kernels and vectors; the matrix of a dense layer is too large for the diagram. @param {LayerInfo} layer @param {Trace} trace @param {Phase} phase @returns {BlockSpec[]} */
function parameterBlocks(layer, trace, phase) {
  const names = Object.keys(trace.description.layout).filter((name) => name.startsWith(`${layer.name}.`));
  return names.filter((name) => trace.description.shapes[name].length !== 2).flatMap((name) => inPhase(name, phase));
}

/** @param {string} name @param {Phase} phase @returns {BlockSpec[]} */
function inPhase(name, phase) {
  const [layer, parameter] = name.split(".");
  const own = (/** @type {string} */ tensor) => block(tensor, "parameters", "diverging");
  if (phase === "forward") return [own(name)];
  if (phase === "backward") return [{ ...own(`${layer}.d${parameter}`), leads: true }];
  const updated = { ...own(`${name}.update`), trio: name, follows: true };
  return [
    { ...own(name), label: `${parameter} before`, trio: name },
    { ...updated, key: `${name}.change`, label: "change", minus: name, leads: true },
    { ...updated, label: "after" },
  ];
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
  const alone = { fixed: null, minus: null, trio: null, leads: false, follows: false, marks: null };
  return { tensor, key: tensor, label, role, scale, ...alone };
}

/** @param {Trace} trace */
function lossName(trace) {
  const { outputs, recipe: { loss } } = trace.description;
  if (outputs.length) return outputs.map((output) => `${output.name}: ${output.loss.replaceAll("_", " ")}`).join(", ");
  return typeof loss === "string" ? loss.replaceAll("_", " ") : "";
}
