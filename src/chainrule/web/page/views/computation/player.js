const MAX_DURATION = 8; // seconds; default duration of long sums
const MAX_PART = 0.5; // seconds per part
const QUICK = 6; // parts per second; faster parts cannot be followed one by one

/**
 * Steps through `count` parts, manually or automatically.
 *
 * position: number of parts shown; null: all of them, before any stepping.
 */
export class Player {
  /**
   * @param {number} count
   * @param {(player: Player) => void} changed called after every change, at most once per frame while playing
   */
  constructor(count, changed) {
    this.count = count;
    this.changed = changed;
    /** @type {number | null} */
    this.position = null;
    this.playing = false;
    /** Duration of the whole animation in seconds. */
    this.seconds = Math.max(1, Math.min(MAX_DURATION, MAX_PART * count));
    this.frame = 0;
  }

  /** Number of parts shown. */
  get done() {
    return this.position ?? this.count;
  }

  /** Whether parts follow each other too quickly to see them one by one. */
  get quick() {
    return this.playing && this.#at(this.done + 1) - this.#at(this.done) < 1 / QUICK;
  }

  /** @param {number | null} position */
  to(position) {
    this.pause(false);
    this.position = position === null ? null : Math.max(0, Math.min(this.count, position));
    this.changed(this);
  }

  forward() {
    this.to(this.position === null ? 1 : this.position + 1);
  }

  back() {
    this.to(this.done - 1);
  }

  toggle() {
    if (this.playing) this.pause(true);
    else this.play();
  }

  play() {
    if (!this.count) return;
    if (this.done >= this.count) this.position = 0;
    this.playing = true;
    let time = this.#at(this.done);
    let before = performance.now();
    const tick = (/** @type {number} */ now) => {
      if (!this.playing) return;
      time += Math.max(0, now - before) / 1000;
      before = now;
      this.#reach(this.#partsAt(time));
      if (this.playing) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
    this.changed(this);
  }

  /** The exponent of the acceleration: the number of parts grows with this power of time. It is 1 for few parts. */
  get #power() {
    const first = MAX_PART * (this.seconds / MAX_DURATION);
    return Math.max(1, Math.log(this.count) / Math.log(Math.max(this.seconds / first, 2)));
  }

  /** Returns the time in seconds when a number of parts has been shown. @param {number} parts */
  #at(parts) {
    return this.seconds * (parts / this.count) ** (1 / this.#power);
  }

  /** @param {number} time in seconds */
  #partsAt(time) {
    return Math.min(this.count, Math.floor(this.count * (time / this.seconds) ** this.#power + 1e-9));
  }

  /** @param {number} parts */
  #reach(parts) {
    if (parts <= this.done) return;
    this.position = parts;
    if (parts >= this.count) this.playing = false;
    this.changed(this);
  }

  /** @param {boolean} notify */
  pause(notify) {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    if (notify) this.changed(this);
  }
}
