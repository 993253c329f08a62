/**
 * Keyframes: stored frames, from which any later frame can be recomputed bit for bit. They are stored at multiples of a
 * number of steps, which doubles when the memory limit is reached.
 *
 * @import {Frame} from "../types.js"
 */

const MEMORY_LIMIT = 64 * 2 ** 20; // bytes
const MIN_KEYFRAMES = 8;
const MAX_RECENT = 4; // recently viewed frames, in addition to the keyframes

export class Keyframes {
  /** @param {Frame} first  kept permanently @param {number} [limit]  number of further frames */
  constructor(first, limit) {
    this.first = first;
    this.spacing = 1;
    this.limit = limit ?? Math.max(MIN_KEYFRAMES, Math.floor(MEMORY_LIMIT / bytesOf(first)));
    /** @type {Map<number, Frame>} */
    this.kept = new Map();
    /** @type {Frame[]} */
    this.recent = [];
  }

  /** The steps of all keyframes, in order. */
  get steps() {
    return this.all.map(({ step }) => step);
  }

  /** All keyframes, in order. */
  get all() {
    return [this.first, ...this.kept.values()].sort((a, b) => a.step - b.step);
  }

  /** Returns whether the frame of a step is a keyframe that is not stored yet. @param {number} step */
  keeps(step) {
    return step > this.first.step && (step - this.first.step) % this.spacing === 0 && !this.kept.has(step);
  }

  /** @param {Frame} frame */
  keep(frame) {
    this.kept.set(frame.step, frame);
    while (this.kept.size > this.limit) {
      this.spacing *= 2;
      for (const step of this.kept.keys()) if ((step - this.first.step) % this.spacing) this.kept.delete(step);
    }
  }

  /** Keeps a frame for a while, since its neighbors are often viewed next. @param {Frame} frame */
  remember(frame) {
    this.recent = [frame, ...this.recent.filter(({ step }) => step !== frame.step)].slice(0, MAX_RECENT);
  }

  /** Returns the last frame at or before a step. @param {number} step @returns {Frame} */
  before(step) {
    let best = this.first;
    for (const frame of [...this.kept.values(), ...this.recent]) {
      if (frame.step <= step && frame.step > best.step) best = frame;
    }
    return best;
  }
}

/** @param {Frame} frame */
function bytesOf({ parameters, statistics, moments }) {
  return [parameters, statistics, ...(moments ?? [])].reduce((sum, array) => sum + array.byteLength, 1);
}
