/** Draws the wires below the maps. Both ends have a button that leads to the other end. */

import { button, createSvg } from "../../elements.js";
import { wiresOf } from "./wires.js";

/** @typedef {import("./wires.js").Wire} Wire */
/** @typedef {import("./stage.js").StageView} StageView */
/** @typedef {import("../../types.js").LayerInfo} LayerInfo */
/** @typedef {{wire: Wire, path: SVGPathElement, tip: SVGPathElement, ends: HTMLButtonElement[]}} Drawn */

const [IN, OUT] = [8, 20]; // pixels from the left of a stage to incoming and outgoing wires
const BEND = 6; // pixels; radius of corners
const MAX_HEIGHT = 216; // pixels of all lanes together; more if lanes would be lower than THIN
const THIN = 4; // pixels; smallest height of a lane
const LABELED = 16; // pixels; smallest height of a lane with labels

export class Wiring {
  /** @type {Drawn[]} */
  drawn = [];
  /** @type {Map<string, StageView>} */
  #stages = new Map();
  #forward = true;

  /** @param {HTMLElement} track @param {(stage: StageView) => void} go */
  constructor(track, go) {
    this.track = track;
    this.go = go;
    this.svg = createSvg("svg", { class: "diagram-wires", "aria-hidden": "true" });
    track.append(this.svg);
  }

  /**
   * @param {StageView[]} stages  the shown stages @param {LayerInfo[]} layers
   * @param {import("../../types.js").Phase} phase
   */
  build(stages, layers, phase) {
    this.#stages = new Map(stages.map((entry) => [entry.stage.name, entry]));
    this.#forward = phase === "forward";
    this.drawn = phase === "update" ? [] : wiresOf(layers).map((wire) => this.#make(wire));
    const lanes = Math.max(0, ...this.drawn.map(({ wire }) => wire.lane + 1));
    const coarse = matchMedia("(pointer: coarse)").matches;
    const pitch = Math.max(THIN, Math.min(coarse ? 28 : 24, Math.floor(MAX_HEIGHT / Math.max(1, lanes))));
    this.track.style.setProperty("--lane", `${pitch}px`);
    this.track.style.setProperty("--lanes", String(lanes));
    this.track.classList.toggle("crowded", pitch < LABELED);
    this.svg.replaceChildren(...this.drawn.flatMap(({ path, tip }) => [path, tip]));
  }

  /** @param {Wire} wire @returns {Drawn} */
  #make(wire) {
    const attributes = { "data-from": wire.from, "data-to": wire.to };
    const path = createSvg("path", { class: "wire", ...attributes });
    const tip = createSvg("path", { class: "tip" });
    const drawn = { wire, path, tip, ends: /** @type {HTMLButtonElement[]} */ ([]) };
    drawn.ends.push(
      this.#end(drawn, wire.from, wire.to, "start", `${wire.to} reads ${wire.from} too: go to ${wire.to}`),
      this.#end(drawn, wire.to, wire.from, "finish", `${wire.to} reads ${wire.from}: go to ${wire.from}`),
    );
    return drawn;
  }

  /**
   * Adds the button at one end of a wire. It is part of the stage there, so that Tab reaches it after the stage's maps.
   * @param {Drawn} drawn @param {string} at @param {string} other @param {string} which @param {string} words
   */
  #end(drawn, at, other, which, words) {
    const go = () => {
      const stage = this.#stages.get(other);
      if (stage) this.go(stage);
    };
    const end = button(other, go, { class: `wire-end ${which}`, "aria-label": words, title: words, "data-leads": other });
    end.style.setProperty("--at", String(drawn.wire.lane));
    const hold = (/** @type {boolean} */ on) => () => this.#mark(drawn, "held", on);
    end.addEventListener("pointerenter", hold(true));
    end.addEventListener("pointerleave", hold(false));
    end.addEventListener("focus", hold(true));
    end.addEventListener("blur", hold(false));
    this.#stages.get(at)?.ends.append(end);
    return end;
  }

  /** Highlights the wires between pairs of stages. @param {[string, string][]} pairs */
  light(pairs) {
    const lit = new Set(pairs.flatMap(([one, other]) => [`${one} ${other}`, `${other} ${one}`]));
    for (const entry of this.drawn) this.#mark(entry, "lit", lit.has(`${entry.wire.from} ${entry.wire.to}`));
  }

  /** @param {Drawn} drawn @param {string} name @param {boolean} on */
  #mark({ path, tip, ends }, name, on) {
    for (const element of [path, tip, ...ends]) element.classList.toggle(name, on);
  }

  /** Draws the lines at the current positions of the stages. */
  draw() {
    const origin = this.track.getBoundingClientRect();
    for (const { wire, path, tip, ends } of this.drawn) {
      const [from, to] = [this.#stages.get(wire.from), this.#stages.get(wire.to)];
      if (!from || !to) continue;
      const [start, finish] = [port(from, OUT, origin), port(to, IN, origin)];
      const y = finish.lanes + (wire.lane + 0.5) * finish.pitch;
      path.setAttribute("d", line(start, finish, y));
      tip.setAttribute("d", arrow(this.#forward ? finish : start));
      for (const end of ends) end.style.maxWidth = `${Math.max(12, (finish.x - start.x) / 2 - 2 * BEND)}px`;
    }
  }
}

/**
 * Returns the point where a wire arrives at a stage or leaves it, and the top and height of its lanes.
 * @param {StageView} view @param {number} x  from the left of the stage @param {DOMRect} origin
 */
function port({ stage, element, maps, head, ends }, x, origin) {
  const { left } = element.getBoundingClientRect();
  const { bottom } = (stage.slim ? head : maps).getBoundingClientRect();
  const lanes = ends.getBoundingClientRect();
  const pitch = parseFloat(getComputedStyle(ends).getPropertyValue("--lane"));
  return { x: left - origin.left + x, y: bottom - origin.top + 3, lanes: lanes.top - origin.top, pitch };
}

/**
 * Returns a line down to a lane, along it, and up again.
 * @param {{x: number, y: number}} start @param {{x: number, y: number}} finish @param {number} y  of the lane
 */
function line(start, finish, y) {
  const down = `M${start.x} ${start.y}V${y - BEND}q0 ${BEND} ${BEND} ${BEND}`;
  return `${down}H${finish.x - BEND}q${BEND} 0 ${BEND} ${-BEND}V${finish.y}`;
}

/** Returns an arrowhead that points up. @param {{x: number, y: number}} at */
function arrow({ x, y }) {
  return `M${x - 3} ${y + 5}L${x} ${y}L${x + 3} ${y + 5}`;
}
