/** The color scales of the blocks: one per block, or a common scale, which shows where gradients vanish. */

const PALENESS = 0.25; // 0: every map has its own scale, 1: all have a common scale

/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("../../style/scale.js").Scale} Scale */

/**
 * Pales the maps of a pass in which values are much smaller than in others, so that small gradients do not look large.
 * @param {Block[]} blocks @param {import("../../types.js").Description} description
 */
export function pale(blocks, description) {
  const layers = new Map(description.layers.map(({ name, type }) => [name, type]));
  const maps = blocks.filter(({ spec, scale }) => spec.role === "maps" && scale.kind === "diverging" && !spec.fixed);
  const usual = maps.filter(({ spec }) => layers.get(spec.tensor.split(".")[0]) !== "Softmax");
  const most = Math.max(...usual.map(({ scale }) => scale.high));
  for (const block of usual) {
    const { kind, high } = block.scale;
    const end = high > 0 ? high * (most / high) ** PALENESS : high;
    block.scale = { kind, low: -end, high: end };
  }
}

/**
 * Sets a common scale for all maps, another for all parameters, and another for all changes of parameters. Blocks with
 * a fixed scale keep it. Gradients of probabilities keep their own scale, since the factor 1/ŷ makes them far larger
 * than all other gradients.
 * @param {Block[]} blocks @param {import("../../types.js").Description} description
 */
export function unite(blocks, description) {
  const layers = new Map(description.layers.map(({ name, type }) => [name, type]));
  /** @type {Map<string, Block[]>} */
  const groups = new Map();
  for (const block of blocks) {
    const { tensor, fixed, role, minus } = block.spec;
    if (fixed || tensor === "x" || layers.get(tensor.split(".")[0]) === "Softmax") continue;
    const key = `${role} ${minus === null ? "" : "change"} ${block.scale.kind}`;
    groups.set(key, [...(groups.get(key) ?? []), block]);
  }
  for (const group of groups.values()) {
    const { kind } = group[0].scale;
    const low = Math.min(...group.map((block) => block.scale.low));
    const high = Math.max(...group.map((block) => block.scale.high));
    for (const block of group) block.scale = { kind, low, high };
  }
}
