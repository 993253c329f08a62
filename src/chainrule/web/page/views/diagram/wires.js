/**
 * The wires of the network diagram: from each layer to the layers that read it, except to the next stage.
 *
 * @typedef {import("../../types.js").LayerInfo} LayerInfo
 * @typedef {{from: string, to: string, lane: number, span: [number, number]}} Wire
 *   from, to: names of stages; span: their indices from the left; lane: index of the lane, 0 is closest to the maps
 */

/**
 * Returns the wires of a network. Wires in the same lane do not overlap; shorter wires are closer to the maps.
 * @param {Pick<LayerInfo, "name" | "inputs">[]} layers @returns {Wire[]}
 */
export function wiresOf(layers) {
  const names = ["input", ...layers.map((layer) => layer.name)];
  const place = new Map(names.map((name, number) => [name, number]));
  /** @type {Wire[]} */
  const wires = layers.flatMap(({ name, inputs }, number) =>
    [...new Set(inputs.map(stageOf))].flatMap((from) => {
      const start = place.get(from) ?? number;
      return start === number ? [] : [{ from, to: name, lane: 0, span: /** @type {[number, number]} */ ([start, number + 1]) }];
    }),
  );
  /** The wires in each lane. @type {Wire[][]} */
  const lanes = [];
  for (const wire of [...wires].sort((a, b) => length(a) - length(b))) {
    const free = lanes.findIndex((lane) => !lane.some((b) => overlap(wire, b)));
    wire.lane = free < 0 ? lanes.length : free;
    (lanes[wire.lane] ??= []).push(wire);
  }
  return wires;
}

/** Returns the name of the stage of an input; null is the network's input. @param {string | null} input */
export function stageOf(input) {
  return input ?? "input";
}

/**
 * Returns the inputs of a layer in words, joined by its operation: "conv2 + relu1"; "" if it reads only the previous stage.
 * @param {LayerInfo} layer @param {string} before  name of the previous stage
 */
export function readsWords({ type, inputs }, before) {
  const names = inputs.map(stageOf);
  const sign = { Add: " +\u00a0", Multiply: " ·\u00a0" }[type] ?? ", ";
  if (names.length > 1) return names.join(sign);
  return names[0] === before ? "" : `reads ${names[0]}`;
}

/** @param {Wire} wire */
function length({ span }) {
  return span[1] - span[0];
}

/** Returns whether two wires overlap in more than an end. @param {Wire} a @param {Wire} b */
function overlap(a, b) {
  return a.span[0] < b.span[1] && b.span[0] < a.span[1];
}
