/** Keeps one trace up to date: that of the image shown, with the network at the step shown. */

import { makeTrace } from "./engine/trace.js";

/** @typedef {import("./types.js").BatchStep} BatchStep */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Nudge} Nudge */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Trace} Trace */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Source} Source */

const KEPT_FRAMES = 12;
const REST = 2; // after a trace, REST times its duration is left for drawing and painting
const QUICK = 12; // milliseconds: a faster trace is computed in every frame of the screen
const SLOW = 120; // a slower one waits until there were no requests for a while, so that drawing stays smooth
const PAUSE = 200;
const SHARE = 5; // during training, traces take at most 1/SHARE of the time

export class Tracing {
  /** @type {Trace | null} */
  trace = null;
  /** @type {Frame | null} */
  newest = null;
  /** @type {Map<number, Frame>} */
  #frames = new Map();
  #took = 0;
  #ended = 0;
  #timer = 0;
  /** @type {{frame: Frame, picture: Picture, batch: BatchStep | null, nudge: Nudge | null} | null} */
  #asked = null;

  /**
   * @param {Source} source
   * @param {Description} description
   * @param {() => void} ready  called when a new trace is available
   * @param {(error: unknown) => void} failed
   */
  constructor(source, description, ready, failed) {
    this.source = source;
    this.description = description;
    this.ready = ready;
    this.failed = failed;
  }

  /**
   * Returns the frame of a step; null: the newest one.
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

  /** Whether a trace may be computed without a request. */
  get due() {
    return performance.now() - this.#ended >= (SHARE - 1) * this.#took;
  }

  /** Fetches the newest frame. */
  async renew() {
    this.newest = await this.source.frame(null);
    return this.newest;
  }

  /** Drops the frames, because training has restarted. */
  forget() {
    this.#frames.clear();
    this.newest = null;
  }

  /**
   * Schedules a trace; of several requests before it starts, only the last is traced.
   * @param {Frame} frame
   * @param {Picture} picture  with a label
   * @param {BatchStep | null} batch  the step whose updates are shown; null: one on this image alone
   * @param {Nudge | null} nudge  a number with another value
   */
  ask(frame, picture, batch = null, nudge = null) {
    this.#asked = { frame, picture, batch, nudge };
    if (this.#timer && this.#took <= SLOW) return;
    clearTimeout(this.#timer);
    const since = this.#ended + REST * this.#took - performance.now();
    const rest = this.#took > SLOW ? PAUSE : this.#took > QUICK ? since : 0;
    this.#timer = setTimeout(() => this.#make(), Math.max(0, rest));
  }

  #make() {
    this.#timer = 0;
    if (!this.#asked) return;
    const { frame, picture, batch, nudge } = this.#asked;
    const began = performance.now();
    try {
      this.trace = makeTrace(this.description, frame, picture, { batch, nudge });
    } catch (error) {
      this.failed(error);
      return;
    }
    this.ready();
    this.#ended = performance.now();
    this.#took = this.#ended - began;
  }
}
