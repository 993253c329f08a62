/**
 * Cross-correlation and its gradients, explained. Equations: engine/convolution.js.
 *
 * @typedef {import("../types.js").Factor} Factor
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./notation.js").Index} Index
 */

import { Sliding } from "./sliding.js";
import { at, barred, minus, plus, summed } from "./notation.js";
import { term } from "./site.js";

/** y[o,i,j] = b[o] + Σ_{c,u,v} x̄[c, s·i + d·u, s·j + d·v] · w[o,c,u,v] @param {Site} site @returns {Made} */
export function cross_correlate(site) {
  const [x, w] = [site.array(0), site.array(1)];
  const [o, i, j] = site.own;
  const slide = new Sliding(site, x.shape.slice(1), w.shape, site.size);
  const first = slide.firstChannel(o);
  const terms = site.reads(2) ? [term(site.factor(2, untied(site) ? [o, i, j] : [o]))] : [];
  for (let c = 0; c < slide.channels; c += 1) {
    for (const [u, v] of slide.taps()) {
      const weight = site.factor(1, [o, c, slide.rows.turned(u), slide.columns.turned(v)]);
      terms.push(term(onPicture(site, slide, [first + c, slide.rows.cell(i, u), slide.columns.cell(j, v)]), weight));
    }
  }
  const [symbols, here] = outputEquations(site, slide);
  return { words: laidWords(site, slide) + note(slide, site.called(0)), symbols, here, terms };
}

/** dx[c,h,k] = Σ_{o,u,v} dȳ[o, (h+p−d·u)/s, (k+q−d·v)/s] · w[o,c,u,v] @param {Site} site @returns {Made} */
export function cross_correlate_dx(site) {
  const [dy, w] = [site.array(0), site.array(1)];
  const [a, h, k] = site.own;
  const slide = new Sliding(site, site.size, w.shape, dy.shape.slice(1));
  const [group, c] = [Math.floor(a / slide.channels), a % slide.channels];
  const terms = [];
  for (let o = group * slide.filters; o < (group + 1) * slide.filters; o += 1) {
    for (const [u, v] of slide.taps()) {
      const weight = site.factor(1, [o, c, slide.rows.turned(u), slide.columns.turned(v)]);
      terms.push(term(sent(site, slide, [o, h, k], u, v), weight));
    }
  }
  const [symbols, here] = inputEquations(site, slide);
  return { words: spreadWords(site) + groupNote(slide), symbols, here, terms };
}

/** dw[o,c,u,v] = Σ_{i,j} dy[o,i,j] · x̄[c, s·i + d·u, s·j + d·v] @param {Site} site @returns {Made} */
export function cross_correlate_dw(site) {
  const [x, dy] = [site.array(0), site.array(1)];
  const [o, c] = site.own;
  const kernel = [dy.shape[0], x.shape[0] / site.attributes.groups, ...site.size];
  const slide = new Sliding(site, x.shape.slice(1), kernel, dy.shape.slice(1));
  const channel = slide.firstChannel(o) + c;
  const [u, v] = [slide.rows.turned(site.own[2]), slide.columns.turned(site.own[3])];
  const terms = [];
  for (let i = 0; i < dy.shape[1]; i += 1) {
    for (let j = 0; j < dy.shape[2]; j += 1) {
      const under = onPicture(site, slide, [channel, slide.rows.cell(i, u), slide.columns.cell(j, v)]);
      terms.push(term(site.factor(1, [o, i, j]), under));
    }
  }
  const words =
    "This weight is used at every position of the kernel. At each of them a change of the weight moves the output " +
    "by the input under it, and the loss by that times the gradient of the output: all positions are added up.";
  const [symbols, here] = kernelEquations(site, slide);
  return { words: words + note(slide, site.called(0)), symbols, here, terms };
}

/**
 * A number of the input, or the zero that padding is.
 *
 * @param {Site} site @param {Sliding} slide @param {number[]} cell @returns {Factor}
 */
function onPicture(site, slide, cell) {
  const [, h, k] = cell;
  if (h >= 0 && h < slide.rows.size && k >= 0 && k < slide.columns.size) return site.factor(0, cell);
  return { name: site.called(0), cell: null, value: 0, why: "padding" };
}

/**
 * What the output at which a tap lay on a cell sends back, or the zero where there is no such output.
 *
 * @param {Site} site @param {Sliding} slide @param {number[]} cell @param {number} u @param {number} v
 * @returns {Factor}
 */
function sent(site, slide, [o, h, k], u, v) {
  const [down, across] = [slide.rows.position(h, u), slide.columns.position(k, v)];
  if (!down.why && !across.why) return site.factor(0, [o, down.i, across.i]);
  const why = down.why === "stride" || across.why === "stride" ? "stride" : "padding";
  return { name: site.called(0), cell: null, value: 0, why };
}

/** a patch of 5×5 numbers in each of 8 channels @param {Sliding} slide */
function patch(slide) {
  const channels = slide.channels > 1 ? ` in each of ${slide.channels} channels` : "";
  return `a patch of ${slide.rows.window}×${slide.columns.window} numbers${channels}`;
}

/** @param {Sliding} slide @param {string} x */
function note(slide, x) {
  const zeros = slide.padded ? ` ${barred(x)} is ${x} with zeros around it.` : "";
  return zeros + groupNote(slide);
}

/** @param {Sliding} slide */
function groupNote({ groups, filters, channels }) {
  if (groups === 1) return "";
  const dealt = ` Channels and filters are dealt into ${groups} groups`;
  return `${dealt}: ${filters} filters see ${channels} channels, from c₀ on.`;
}

/** @param {Site} site */
function untied(site) {
  return site.array(2).shape.length === 3;
}

/** @param {Site} site @param {Sliding} slide */
function laidWords(site, slide) {
  if (site.called(0) !== "x") {
    // the input gradient of a transposed convolution
    return (
      `This number was spread over ${patch(slide)} of the output of ${site.layer}: what comes back is the ` +
      "gradient of each, times the weight it went through."
    );
  }
  const words =
    `Kernel ${site.own[0]} of ${site.layer} is laid on its input, where it covers ${patch(slide)}: every number ` +
    "under it times the weight on top of it, all added up";
  if (!site.reads(2)) return `${words}.`;
  return `${words}; then the bias of ${untied(site) ? "this position" : "this kernel"} is added.`;
}

/** @param {Site} site */
function spreadWords(site) {
  if (site.called(0) === "x") {
    // a transposed convolution runs this forward
    return (
      `Every input of ${site.layer} is spread over its output through the kernel; here meet those that reach ` +
      "this cell, each times the weight it comes through."
    );
  }
  const dy = site.called(0);
  return (
    `Every output of ${site.layer} that saw this number sends its gradient back through the weight it saw it with; ` +
    `here these products meet. ${barred(dy)} is ${dy} with zeros where there is no output.`
  );
}

/** Of y, in letters and with the numbers of this cell. @param {Site} site @param {Sliding} slide */
function outputEquations(site, slide) {
  const x = slide.padded ? barred(site.called(0)) : site.called(0);
  return [["o", "i", "j"], site.own].map((/** @type {Index[]} */ [o, i, j], place) => {
    const numbers = place === 1;
    const h = slide.rows.writtenCell(i, "u", numbers);
    const k = slide.columns.writtenCell(j, "v", numbers);
    const c = channelIndex(slide, numbers ? slide.firstChannel(Number(o)) : null);
    const [u, v] = [slide.rows.writtenTurned("u", numbers), slide.columns.writtenTurned("v", numbers)];
    const bias = site.reads(2) ? `${at(site.called(2), o, ...(untied(site) ? [i, j] : []))} + ` : "";
    const products = `${at(x, c, h, k)} · ${at(site.called(1), o, "c", u, v)}`;
    return `${at(site.result, o, i, j)} = ${bias}${summed("c", "u", "v")}${products}`;
  });
}

/** Of dx. @param {Site} site @param {Sliding} slide */
function inputEquations(site, slide) {
  const dy = barred(site.called(0));
  return [["c", "h", "k"], site.own].map((/** @type {Index[]} */ [a, h, k], place) => {
    const numbers = place === 1;
    const i = slide.rows.writtenPosition(h, "u", numbers);
    const j = slide.columns.writtenPosition(k, "v", numbers);
    const c = numbers ? Number(a) % slide.channels : slide.groups === 1 ? "c" : minus("c", "c₀");
    const [u, v] = [slide.rows.writtenTurned("u", numbers), slide.columns.writtenTurned("v", numbers)];
    const products = `${at(dy, "o", i, j)} · ${at(site.called(1), "o", c, u, v)}`;
    return `${at(site.result, a, h, k)} = ${summed("o", "u", "v")}${products}`;
  });
}

/** Of dw. @param {Site} site @param {Sliding} slide */
function kernelEquations(site, slide) {
  const x = slide.padded ? barred(site.called(0)) : site.called(0);
  return [["o", "c", "u", "v"], site.own].map((/** @type {Index[]} */ [o, c, u, v], place) => {
    const numbers = place === 1;
    const h = slide.rows.writtenCell("i", slide.rows.tapIndex(u), numbers);
    const k = slide.columns.writtenCell("j", slide.columns.tapIndex(v), numbers);
    const channel = numbers ? slide.firstChannel(Number(o)) + Number(c) : channelIndex(slide, null);
    const products = `${at(site.called(1), o, "i", "j")} · ${at(x, channel, h, k)}`;
    return `${at(site.result, o, c, u, v)} = ${summed("i", "j")}${products}`;
  });
}

/**
 * c, or c₀+c where the channels are dealt into groups; `first` is c₀ once it is known.
 *
 * @param {Sliding} slide @param {number | null} first
 */
function channelIndex(slide, first) {
  return slide.groups === 1 ? "c" : plus(first ?? "c₀", "c");
}
