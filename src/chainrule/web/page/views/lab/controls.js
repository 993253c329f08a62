/** The controls of the lab: the operation and its options. They are created once and then updated from the setting. */
import { createElement } from "../../elements.js";
import { MOST } from "./address.js";
import { CHANNELS, slides, withChannels } from "./setting.js";
import { dilationOf, paddingOf, strideOf } from "./sizes.js";
import { check, choice, numbers } from "./switches.js";

/**
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("./setting.js").Kind} Kind
 * @typedef {import("./setting.js").Pair} Pair
 * @typedef {(change: (now: Setting) => Setting) => void} Change
 */

/** @type {[Kind, string][]} */
const KINDS = [
  ["correlation", "correlation"],
  ["convolution", "convolution"],
  ["max", "max pooling"],
  ["average", "average pooling"],
  ["sum", "sum pooling"],
];

/**
 * @param {Change} change
 * @returns {{element: HTMLElement, follow: (now: Setting) => void}}
 */
export function controls(change) {
  const parts = [kind(change), window(change), padding(change), stride(change), dilation(change)];
  parts.push(channels(change), divisor(change), beside(change));
  const element = createElement("div", { class: "lab-controls" }, ...parts.map((part) => part.element));
  return { element, follow: (now) => parts.forEach((part) => part.follow(now)) };
}

/** @param {Change} change */
function kind(change) {
  const part = choice("Operation", KINDS, (picked) => {
    change((now) => ({
      ...now,
      kind: picked,
      stride: slides(picked) === slides(now.kind) ? now.stride : null,
      dy: null,
    }));
  });
  return { element: part.element, follow: (/** @type {Setting} */ now) => part.set(now.kind) };
}

/** @param {Change} change */
function window(change) {
  const part = numbers("Window", ["rows", "columns"], 1, MOST.window, ([rows, columns]) => {
    change((now) => ({ ...now, window: [rows, columns] }));
  });
  return follower(
    part.element,
    (now) => !slides(now.kind),
    (now) => part.set(now.window),
  );
}

/** @param {Change} change */
function padding(change) {
  const rule = choice(
    "Padding",
    [
      ["valid", "valid"],
      ["same", "same"],
      ["full", "full"],
      ["custom", "custom"],
    ],
    (picked) => {
      change((now) => ({ ...now, padding: picked === "custom" ? paddingOf(now) : picked }));
    },
  );
  const sides = numbers("Zeros", ["top", "bottom", "left", "right"], 0, MOST.padding, ([top, bottom, left, right]) => {
    change((now) => ({
      ...now,
      padding: [
        [top, bottom],
        [left, right],
      ],
    }));
  });
  const element = createElement("div", { class: "lab-padding" }, rule.element, sides.element);
  return follower(
    element,
    () => true,
    (now) => {
      rule.set(typeof now.padding === "string" ? now.padding : "custom");
      sides.element.hidden = typeof now.padding === "string";
      sides.set(paddingOf(now).flat());
    },
  );
}

/** @param {Change} change */
function stride(change) {
  const part = numbers("Stride", ["down", "across"], 1, MOST.stride, ([down, across]) => {
    change((now) => ({ ...now, stride: [down, across] }));
  });
  return follower(
    part.element,
    () => true,
    (now) => part.set(strideOf(now)),
  );
}

/** @param {Change} change */
function dilation(change) {
  const part = numbers("Dilation", ["down", "across"], 1, MOST.dilation, ([down, across]) => {
    change((now) => ({ ...now, dilation: [down, across] }));
  });
  return follower(
    part.element,
    (now) => slides(now.kind),
    (now) => part.set(dilationOf(now)),
  );
}

/** @param {Change} change */
function channels(change) {
  const part = numbers("Channels", ["in", "out"], 1, CHANNELS, ([into, out]) => {
    change((now) => ({ ...withChannels(now, into, slides(now.kind) ? out : now.w.shape[0]), source: "" }));
  });
  return follower(
    part.element,
    () => true,
    (now) => {
      part.set([now.x.shape[0], slides(now.kind) ? now.w.shape[0] : now.x.shape[0]]);
      part.enable(0, now.source === "");
      part.enable(1, slides(now.kind));
    },
  );
}

/** @param {Change} change */
function divisor(change) {
  const part = choice(
    "Divide by",
    [
      ["cells", "cells covered"],
      ["window", "whole window"],
    ],
    (picked) => {
      change((now) => ({ ...now, divisor: picked }));
    },
  );
  return follower(
    part.element,
    (now) => now.kind === "average",
    (now) => part.set(now.divisor),
  );
}

/** @param {Change} change */
function beside(change) {
  const part = check("correlation and convolution side by side", (on) => change((now) => ({ ...now, beside: on })));
  return follower(
    part.element,
    (now) => slides(now.kind),
    (now) => part.set(now.beside),
  );
}

/**
 * @param {HTMLElement} element
 * @param {(now: Setting) => boolean} applies
 * @param {(now: Setting) => void} set
 */
function follower(element, applies, set) {
  return {
    element,
    follow(/** @type {Setting} */ now) {
      element.hidden = !applies(now);
      set(now);
    },
  };
}
