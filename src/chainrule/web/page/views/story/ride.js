/** Advances from stop to stop while a pass is played. */

const SECONDS = 3; // per stop

export class Ride {
  playing = false;
  #timer = 0;

  /** @param {() => boolean} advance  goes to the next stop; returns whether there is one @param {() => void} changed */
  constructor(advance, changed) {
    this.advance = advance;
    this.changed = changed;
  }

  toggle() {
    if (this.playing) this.pause();
    else {
      this.playing = true;
      this.#step();
    }
  }

  /** Plays from the current stop. */
  play() {
    this.playing = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#step(), 1000 * SECONDS);
    this.changed();
  }

  pause() {
    this.playing = false;
    clearTimeout(this.#timer);
    this.changed();
  }

  #step() {
    if (!this.playing) return;
    if (this.advance()) this.play();
    else this.pause();
  }
}
