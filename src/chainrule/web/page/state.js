/** The place on the page and its address: `#/network/backward/conv2.dw[3,1,0,2]?sample=12&step=300`. */

/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").Phase} Phase */

const VIEW = "network"; // the first part of every address
const CELLS = /** @type {const} */ (["why", "hold"]);
const NUMBERS = /** @type {const} */ (["sample", "image", "step", "stop"]);
/** @type {Phase[]} */
export const PHASES = ["forward", "backward", "update"];

/** @type {Place} */
export const START = {
  phase: "forward", cell: null, sample: null, image: null, step: null, why: null, hold: null, stop: null, hall: false,
};

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
  const [view, phase, ...cell] = path.split("/").map((part) => plain(part, complaints));
  oneOf([VIEW], view, VIEW, "not a view of this page", complaints);
  place.phase = oneOf(PHASES, phase, "forward", "not one of forward, backward, update", complaints);
  place.cell = cell.join("/") || null;
  for (const part of query.split("&").filter(Boolean)) {
    const [name, value] = halves(part, "=");
    const number = NUMBERS.find((known) => known === name);
    if (part === "hall") place.hall = true;
    else if (name === "why" || name === "hold") place[name] = plain(value, complaints) || null;
    else if (number) place[number] = wholeNumber(name, plain(value, complaints), complaints);
  }
  return { place, complaints };
}

/**
 * Returns the address of a place, with its #.
 * @param {Place} place
 */
export function address(place) {
  const isPlain = place.cell === null && place.phase === "forward";
  const path = [VIEW, ...(isPlain ? [] : [place.phase]), ...(place.cell === null ? [] : [place.cell])];
  const query = [
    ...NUMBERS.filter((name) => place[name] !== null).map((name) => `${name}=${place[name]}`),
    ...CELLS.flatMap((name) => (place[name] === null ? [] : [`${name}=${encodePart(place[name])}`])),
    ...(place.hall ? ["hall"] : []),
  ];
  return `#/${path.map(encodePart).join("/")}${query.length ? `?${query.join("&")}` : ""}`;
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
