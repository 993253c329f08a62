/** Keeps one trace up to date: that of the image shown, with the network at the step shown. */

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
const REST = 2; // after a trace, REST times as long as the page was held up is left for its other work
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
  #asked = null;
  /** @type {Traced | null}  what is being traced */
  #sent = null;
  #timer = 0;
  #began = 0;
  #took = 0;
  #ended = 0;
  #rested = 0;

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
    this.channel = new TraceChannel((answer, held) => this.#heard(answer, held));
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

  /** Whether a trace has been asked for that is not there yet. */
  get pending() {
    return this.#asked !== null || this.#sent !== null;
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
    this.#asked = { description: this.description, frame, picture, batch, nudge };
    this.#schedule();
  }

  /**
   * Returns the network's output for an image, or null where the trace is not one of it.
   * @param {Picture} picture @param {Nudge | null} nudge
   */
  answer(picture, nudge) {
    const same = this.trace?.picture.x === picture.x && this.trace.nudge === nudge;
    return same ? this.#answer : null;
  }

  #schedule() {
    if (this.#sent || this.#timer || !this.#asked) return;
    this.#timer = setTimeout(() => this.#begin(), Math.max(0, this.#rested - performance.now()));
  }

  #begin() {
    this.#timer = 0;
    if (!this.#asked) return;
    [this.#sent, this.#asked] = [this.#asked, null];
    this.#began = performance.now();
    this.channel.send(this.#sent);
  }

  /** @param {Answer} answer @param {number} held  milliseconds for which the page computed it */
  #heard(answer, held) {
    const [sent, next, began] = [this.#sent, this.#asked, performance.now()];
    this.#sent = null;
    const isOther = next !== null && (next.batch === null) !== (sent?.batch === null); // has other cells
    if ("error" in answer) this.failed(new Error(answer.error));
    else if (sent && !isOther) this.#show(sent, answer);
    this.#ended = performance.now();
    this.#took = this.#ended - this.#began;
    this.#rested = this.#ended + REST * (held + this.#ended - began);
    this.#schedule();
  }

  /** @param {Traced} sent @param {Exclude<Answer, {error: string}>} answer */
  #show({ description, frame, picture, batch, nudge }, { values, label, answer }) {
    this.trace = { description, frame, picture: { ...picture, label }, values, batch, nudge };
    this.#answer = answer;
    this.ready();
  }
}
