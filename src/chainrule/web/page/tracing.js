/** Keeps one trace up to date: of the picture shown, with the network as it was at the step shown. */

import { makeTrace } from "./engine/trace.js";

/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Trace} Trace */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Source} Source */

const KEPT_FRAMES = 12;
const QUICK = 24; // milliseconds: a trace that took less is made in every frame of the screen
const PAUSE = 160;

export class Tracing {
  /** @type {Trace | null} */
  trace = null;
  /** @type {Frame | null} */
  newest = null;
  /** @type {Map<number, Frame>} */
  #frames = new Map();
  #took = 0;
  #timer = 0;

  /**
   * @param {Source} source
   * @param {Description} description
   * @param {() => void} ready  another trace is there
   * @param {(error: unknown) => void} failed
   */
  constructor(source, description, ready, failed) {
    this.source = source;
    this.description = description;
    this.ready = ready;
    this.failed = failed;
  }

  /**
   * The network after a step; null: the newest there is.
   * @param {number | null} step
   * @returns {Promise<Frame>}
   */
  async frame(step) {
    if (step === null) return this.newest ?? this.renew();
    const kept = this.#frames.get(step);
    if (kept) return kept;
    const frame = await this.source.frame(step);
    this.#frames.set(step, frame);
    if (this.#frames.size > KEPT_FRAMES) this.#frames.delete(this.#frames.keys().next().value ?? step);
    return frame;
  }

  /** Fetches the newest frame. */
  async renew() {
    this.newest = await this.source.frame(null);
    return this.newest;
  }

  /** Training began anew: the frames that were kept are of another run. */
  forget() {
    this.#frames.clear();
    this.newest = null;
  }

  /**
   * Traces soon; asked again before it began, only the last is traced.
   * @param {Frame} frame
   * @param {Picture} picture  with a label
   */
  ask(frame, picture) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#make(frame, picture), this.#took > QUICK && this.trace ? PAUSE : 0);
  }

  /** @param {Frame} frame @param {Picture} picture */
  #make(frame, picture) {
    const began = performance.now();
    try {
      this.trace = makeTrace(this.description, frame, picture);
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#took = performance.now() - began;
    this.ready();
  }
}
