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
    /** parts per second */
    this.rate = 8;
    this.frame = 0;
    this.due = 0;
  }

  /** Number of parts shown. */
  get done() {
    return this.position ?? this.count;
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
    this.due = 0;
    let before = performance.now();
    const tick = (/** @type {number} */ now) => {
      if (!this.playing) return;
      this.due += (Math.max(0, now - before) * this.rate) / 1000;
      before = now;
      this.advance(Math.floor(this.due));
      if (this.playing) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
    this.changed(this);
  }

  /** @param {number} parts */
  advance(parts) {
    if (!parts) return;
    this.due -= parts;
    this.position = Math.min(this.count, this.done + parts);
    if (this.position >= this.count) this.playing = false;
    this.changed(this);
  }

  /** @param {boolean} tell */
  pause(tell) {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    if (tell) this.changed(this);
  }
}
