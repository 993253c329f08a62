/**
 * Group normalization, explained. Equations: engine/group_normalization.js.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { sizeOf, unravel } from "../engine/tensor.js";
import { at, letters, plus, sumOver, times } from "./notation.js";
import { term } from "./cell_context.js";

const HAT = "x\u0302";
const WHERE = ["i", "j"];

/** A group of channels. */
class ChannelGroup {
  /** @param {CellContext} ctx @param {number} number @param {number} x  position of x in the inputs */
  constructor(ctx, number, x) {
    this.ctx = ctx;
    this.number = number;
    this.x = x;
    this.depth = ctx.array(x).shape[0] / ctx.attributes.groups;
    this.mean = this.#statistic("mean");
    this.variance = this.#statistic("variance");
    this.deviation = Math.sqrt(this.variance + ctx.attributes.epsilon);
    this.statistics = [`${ctx.layer}.mean[${number}]`, `${ctx.layer}.variance[${number}]`];
  }

  /** Mean or variance, as computed by the operation. @param {string} name */
  #statistic(name) {
    const statistic = this.ctx.trace.values.get(`${this.ctx.layer}.${name}`);
    if (!statistic) throw new Error(`this trace holds no ${name} of ${this.ctx.layer}`);
    return statistic.data[this.number];
  }

  /** Indices of the group's channels. */
  get channels() {
    return Array.from({ length: this.depth }, (_, d) => this.number * this.depth + d);
  }

  /** All indices in the group, channel by channel. */
  get places() {
    return this.channels.flatMap((c) => cellsOf(this.ctx, this.x, c));
  }

  /** Returns the index of a channel's γ and β. @param {number} c */
  scaleOf(c) {
    return [this.ctx.attributes.shared ? c % this.depth : c];
  }

  /** Returns x̂ of an entry. @param {number[]} place */
  normal(place) {
    return (this.ctx.number(this.x, place) - this.mean) / this.deviation;
  }

  /** Returns the steps that calculate x̂. @param {number[]} place */
  steps(place) {
    const variances = [this.variance, this.ctx.attributes.epsilon];
    const operands = [this.ctx.number(this.x, place), this.mean, this.deviation];
    return [
      this.ctx.calculation("s", "√(σ² + ε)", "√({} + {})", variances, this.deviation),
      this.ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", operands, this.normal(place)),
    ];
  }

  /** Facts for the sentences. */
  facts() {
    const [first, last] = [this.channels[0], this.channels[this.depth - 1]];
    return { values: this.places.length, first, last, several: this.depth > 1 };
  }
}

/**
 * y = γ·x̂ + β, x̂ = (x − μ) / √(σ² + ε), or a group's μ or σ²
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function group_norm(ctx) {
  return [output, mean, variance][ctx.place](ctx);
}

/** dx = (γ·dy − A − x̂·B) / √(σ² + ε) @param {CellContext} ctx @returns {Derivation} */
export function group_norm_dx(ctx) {
  const group = groupOf(ctx, 1);
  const { places } = group;
  const size = places.length;
  const [dy, gamma] = [ctx.factor(0, ctx.own), ctx.factor(2, group.scaleOf(ctx.own[0]))];
  let [level, tilt] = [0, 0];
  for (const place of places) {
    const weighted = ctx.number(2, group.scaleOf(place[0])) * ctx.number(0, place);
    level += weighted;
    tilt += weighted * group.normal(place);
  }
  [level, tilt] = [level / size, tilt / size];
  const [slope, normal] = [gamma.value * dy.value, group.normal(ctx.own)];
  const operands = [slope, level, normal, tilt, group.deviation];
  const steps = [
    ...group.steps(ctx.own),
    ctx.calculation("A", "Σ γ·dy / M", "{} / {}", [level * size, size], level),
    ctx.calculation("B", `Σ γ·dy·${HAT} / M`, "{} / {}", [tilt * size, size], tilt),
    ctx.calculation("G", "γ·dy", "{}·{}", [gamma.value, dy.value], slope),
    ctx.calculation(ctx.result, `(G − A − ${HAT}·B) / s`, "({} − {} − {}·{}) / {}", operands, ctx.value),
  ];
  const [symbols, here] = written(ctx, group).map(
    ([index, k]) => `${at(ctx.result, ...index)} = (γ[${k}]·${at("dy", ...index)} − A − ${at(HAT, ...index)}·B) / s`,
  );
  const others = group.channels.map((c) => ctx.cell(2, group.scaleOf(c)));
  const cells = [1, 0].flatMap((read) => places.map((place) => ctx.cell(read, place)));
  const sources = [dy.cell ?? "", gamma.cell ?? "", ...others, ...group.statistics, ...cells];
  return { words: ctx.sentences(group.facts()), symbols, here, steps, sources };
}

/** dγ[k] = Σ dy·x̂, dβ[k] = Σ dy @param {CellContext} ctx @returns {Derivation} */
export function group_norm_dw(ctx) {
  const [k] = ctx.own;
  const scaled = ctx.place === 0;
  const { groups, shared } = ctx.attributes;
  const { shape } = ctx.array(1);
  const depth = shape[0] / groups;
  const channels = shared ? Array.from({ length: groups }, (_, g) => k + g * depth) : [k];
  const all = channels.map((c) => ({ group: new ChannelGroup(ctx, Math.floor(c / depth), 1), cells: cellsOf(ctx, 1, c) }));
  const terms = all.flatMap(({ group, cells }) =>
    cells.map((place) => {
      const normal = { name: HAT, cell: null, value: group.normal(place), why: "" };
      return term(ctx.factor(0, place), ...(scaled ? [normal] : []));
    }),
  );
  const where = WHERE.slice(0, shape.length - 1);
  const [symbols, here] = ["k", k].map((/** @type {Index} */ own) => {
    const index = [shared ? plus(own, times(depth, "g")) : own, ...where];
    const product = scaled ? ` · ${at(HAT, ...index)}` : "";
    return `${at(ctx.result, own)} = ${sumOver(...(shared ? ["g"] : []), ...where)}${at("dy", ...index)}${product}`;
  });
  const cells = all.flatMap((channel) => channel.cells.map((place) => ctx.cell(1, place)));
  const sources = scaled ? [...cells, ...all.flatMap(({ group }) => group.statistics)] : [];
  return { words: ctx.sentences({ scale: scaled, shared }), symbols, here, terms, sources };
}

/** @param {CellContext} ctx @returns {Derivation} */
function output(ctx) {
  const group = groupOf(ctx, 0);
  const own = group.scaleOf(ctx.own[0]);
  const [x, gamma, beta] = [ctx.factor(0, ctx.own), ctx.factor(1, own), ctx.factor(2, own)];
  const [M, normal] = [group.places.length, group.normal(ctx.own)];
  const steps = [
    ctx.calculation("μ", "Σ x / M", "{} / {}", [group.mean * M, M], group.mean),
    ...group.steps(ctx.own),
    ctx.calculation(ctx.result, `γ·${HAT} + β`, "{}·{} + {}", [gamma.value, normal, beta.value], ctx.value),
  ];
  const [symbols, here] = written(ctx, group).map(
    ([index, k]) => `${at(ctx.result, ...index)} = γ[${k}] · (${at("x", ...index)} − μ) / √(σ² + ε) + β[${k}]`,
  );
  const words = ctx.sentences({ output: true, ...group.facts() });
  return { words, symbols, here, steps, sources: [x.cell ?? "", gamma.cell ?? "", beta.cell ?? "", ...group.statistics] };
}

/** @param {CellContext} ctx @returns {Derivation} */
function mean(ctx) {
  const group = new ChannelGroup(ctx, ctx.own[0], 0);
  const terms = group.places.map((place) => term(ctx.factor(0, place)));
  const index = ["c", ...WHERE.slice(0, ctx.array(0).shape.length - 1)];
  const size = terms.length;
  const [symbols, here] = [["g", "M"], [group.number, size]].map(
    ([g, many]) => `${at(ctx.result, g)} = 1/${many} · ${sumOver(...index)}${at("x", ...index)}`,
  );
  const words = ctx.sentences({ mean: true, ...group.facts() });
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size } };
}

/** @param {CellContext} ctx @returns {Derivation} */
function variance(ctx) {
  const group = new ChannelGroup(ctx, ctx.own[0], 0);
  const terms = group.places.map((place) => {
    const factor = { name: "(x − μ)", cell: null, value: ctx.number(0, place) - group.mean, why: "" };
    return term(factor, factor);
  });
  const index = ["c", ...WHERE.slice(0, ctx.array(0).shape.length - 1)];
  const size = terms.length;
  const [symbols, here] = [["g", "M"], [group.number, size]].map(
    ([g, many]) => `${at(ctx.result, g)} = 1/${many} · ${sumOver(...index)}(${at("x", ...index)} − ${at("μ", g)})^{2}`,
  );
  const words = ctx.sentences({ variance: true, ...group.facts() });
  const sources = [group.statistics[0], ...group.places.map((place) => ctx.cell(0, place))];
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size }, sources };
}

/** The group that an entry belongs to. @param {CellContext} ctx @param {number} x  position of x in the inputs */
function groupOf(ctx, x) {
  const depth = ctx.array(x).shape[0] / ctx.attributes.groups;
  return new ChannelGroup(ctx, Math.floor(ctx.own[0] / depth), x);
}

/** Returns all indices of a channel. @param {CellContext} ctx @param {number} x @param {number} c */
function cellsOf(ctx, x, c) {
  const size = ctx.array(x).shape.slice(1);
  return Array.from({ length: sizeOf(size) }, (_, place) => [c, ...unravel(place, size)]);
}

/**
 * Returns the entry's index and the index of γ, first as letters and then as numbers.
 *
 * @param {CellContext} ctx @param {ChannelGroup} group @returns {[Index[], Index][]}
 */
function written(ctx, group) {
  const names = letters(ctx.own.length);
  const k = ctx.attributes.shared ? `${names[0]} mod ${group.depth}` : names[0];
  return [
    [names, k],
    [ctx.own, group.scaleOf(ctx.own[0])[0]],
  ];
}
