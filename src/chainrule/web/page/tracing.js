/** Keeps the trace of the shown image up to date, with the network at the shown step. */

import { TraceChannel } from "./source/trace_channel.js";

/** @typedef {import("./engine/trace_loop.js").Answer} Answer */
/** @typedef {import("./engine/trace_loop.js").Traced} Traced */
/** @typedef {import("./types.js").BatchStep} BatchStep */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Nudge} Nudge */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Trace} Trace */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Source} Source */

const KEPT_FRAMES = 12;
const REST = 2; // time for other work after a trace, relative to the time for which the trace blocked the page
const SHARE = 5; // during training, traces take at most 1/SHARE of the time

export class Tracing {
  /** @type {Trace | null} */
  trace = null;
  /** @type {Frame | null} */
  newest = null;
  /** @type {Map<number, Frame>} */
  #frames = new Map();
  /** @type {number[]}  the network's output for the image of the trace */
  #answer = [];
  /** @type {Traced | null} */
  #next = null;
  /** @type {Traced | null}  the request being traced */
  #current = null;
  #timer = 0;
  #startTime = 0;
  #duration = 0;
  #endTime = 0;
  #restEnd = 0;

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
    this.channel = new TraceChannel((answer, pageTime) => this.#receive(answer, pageTime));
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

  /** Whether a requested trace is not available yet. */
  get pending() {
    return this.#next !== null || this.#current !== null;
  }

  /** Whether a trace may be computed without a request. */
  get due() {
    return performance.now() - this.#endTime >= (SHARE - 1) * this.#duration;
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
   * Schedules a trace. If there are several requests before it starts, only the last is traced.
   * @param {Frame} frame
   * @param {Picture} picture  with a label
   * @param {BatchStep | null} batch  the training step whose updates are shown; null: a step on this image alone
   * @param {Nudge | null} nudge  a number with another value
   */
  ask(frame, picture, batch = null, nudge = null) {
    this.#next = { description: this.description, frame, picture, batch, nudge };
    this.#schedule();
  }

  /**
   * Returns the network's output for an image; null if the trace is that of another image.
   * @param {Picture} picture @param {Nudge | null} nudge
   */
  answer(picture, nudge) {
    const same = this.trace?.picture.x === picture.x && this.trace.nudge === nudge;
    return same ? this.#answer : null;
  }

  #schedule() {
    if (this.#current || this.#timer || !this.#next) return;
    this.#timer = setTimeout(() => this.#begin(), Math.max(0, this.#restEnd - performance.now()));
  }

  #begin() {
    this.#timer = 0;
    if (!this.#next) return;
    [this.#current, this.#next] = [this.#next, null];
    this.#startTime = performance.now();
    this.channel.send(this.#current);
  }

  /** @param {Answer} answer @param {number} pageTime  milliseconds for which the trace blocked the page */
  #receive(answer, pageTime) {
    const [current, next, received] = [this.#current, this.#next, performance.now()];
    this.#current = null;
    const isOther = next !== null && (next.batch === null) !== (current?.batch === null); // so that the cells differ
    if ("error" in answer) this.failed(new Error(answer.error));
    else if (current && !isOther) this.#show(current, answer);
    this.#endTime = performance.now();
    this.#duration = this.#endTime - this.#startTime;
    this.#restEnd = this.#endTime + REST * (pageTime + this.#endTime - received);
    this.#schedule();
  }

  /** @param {Traced} current @param {Exclude<Answer, {error: string}>} answer */
  #show({ description, frame, picture, batch, nudge }, { values, label, answer }) {
    this.trace = { description, frame, picture: { ...picture, label }, values, batch, nudge };
    this.#answer = answer;
    this.ready();
  }
}
