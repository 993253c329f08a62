/** The place on the page and its address: `#/network/backward/conv2.dw[3,1,0,2]?sample=12&step=300`. */

/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").View} View */
/** @typedef {import("./types.js").Phase} Phase */

/** @type {View[]} */
export const VIEWS = ["network", "lab", "walk"];
/** @type {Phase[]} */
export const PHASES = ["forward", "backward", "update"];

/** @type {Place} */
export const START = { view: "network", phase: "forward", cell: null, sample: null, step: null, alone: false, hall: false, rest: "" };

/**
 * Parses an address. Parts that cannot be read have their default values and are reported in `complaints`.
 * @param {string} hash  with its #
 * @returns {{place: Place, complaints: string[]}}
 */
export function readAddress(hash) {
  const place = { ...START };
  /** @type {string[]} */
  const complaints = [];
  const [path, query] = halves(hash.replace(/^#\/?/, ""), "?");
  const [view, ...parts] = path.split("/").map((part) => plain(part, complaints));
  place.view = oneOf(VIEWS, view, "network", "not a view of this page", complaints);
  const viewState = place.view === "network" ? "" : parts.join("/");
  if (place.view === "network") {
    const [phase, ...cell] = parts;
    place.phase = oneOf(PHASES, phase, "forward", "not one of forward, backward, update", complaints);
    place.cell = cell.join("/") || null;
  }
  const otherParts = [];
  for (const part of query.split("&").filter(Boolean)) {
    const [name, value] = halves(part, "=");
    if (part === "alone") place.alone = true;
    else if (part === "hall") place.hall = true;
    else if (name === "sample" || name === "step") place[name] = wholeNumber(name, plain(value, complaints), complaints);
    else otherParts.push(part);
  }
  place.rest = viewState || otherParts.join("&");
  return { place, complaints };
}

/**
 * Returns the address of a place, with its #.
 * @param {Place} place
 */
export function address(place) {
  const network = place.view === "network";
  const plainView = place.cell === null && place.phase === "forward";
  const details = [...(plainView ? [] : [place.phase]), ...(place.cell === null ? [] : [place.cell])];
  const path = [place.view, ...(network ? details : place.rest ? [place.rest] : [])];
  const numbers = [
    ...(place.sample === null ? [] : [`sample=${place.sample}`]),
    ...(place.step === null ? [] : [`step=${place.step}`]),
    ...(place.alone ? ["alone"] : []),
    ...(place.hall ? ["hall"] : []),
    ...(network && place.rest ? [place.rest] : []),
  ];
  return `#/${path.map(encodePart).join("/")}${numbers.length ? `?${numbers.join("&")}` : ""}`;
}

/** Encodes a part of the address, leaving brackets readable. @param {string} part */
function encodePart(part) {
  return encodeURI(part).replaceAll("%5B", "[").replaceAll("%5D", "]");
}

/** Listeners by event. */
export class Listeners {
  /** @type {Map<string, Set<() => void>>} */
  #lists = new Map();

  /** @param {string} what @param {() => void} listener */
  add(what, listener) {
    const list = this.#lists.get(what) ?? new Set();
    this.#lists.set(what, list.add(listener));
  }

  /**
   * Calls all listeners of an event. If a listener fails, the others are still called.
   * @param {string} what
   */
  notify(what) {
    for (const listener of this.#lists.get(what) ?? []) {
      try {
        listener();
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** @param {string} text @param {string} separator @returns {[string, string]} */
function halves(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** @param {string} text @param {string[]} complaints */
function plain(text, complaints) {
  try {
    return decodeURIComponent(text);
  } catch {
    complaints.push(`The address holds “${text}”, which is not valid text; it was ignored.`);
    return "";
  }
}

/**
 * @template {string} T
 * @param {T[]} values @param {string | undefined} value @param {T} fallback @param {string} what
 * @param {string[]} complaints
 * @returns {T}
 */
function oneOf(values, value, fallback, what, complaints) {
  const match = values.find((candidate) => candidate === value);
  if (match) return match;
  if (value) complaints.push(`The address says “${value}”, which is ${what}; showing ${fallback}.`);
  return fallback;
}

/** @param {string} name @param {string} text @param {string[]} complaints */
function wholeNumber(name, text, complaints) {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  complaints.push(`The address says ${name}=${text || "nothing"}; expected a whole number. It was ignored.`);
  return null;
}
