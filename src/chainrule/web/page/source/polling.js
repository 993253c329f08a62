/**
 * Keeps the page in step with a training that goes on elsewhere: asks for its state often while it runs, seldom while
 * it rests, never while nobody can see the page, and says so when nobody answers.
 *
 * @import {Source, Training, TrainingState} from "../types.js"
 * @typedef {{state(state: TrainingState): void, gone(words: string | null): void}} Told
 *   state: it changed; gone: the source does not answer (in words), or does so again (null)
 */

const RUNNING = 200;
const IDLE = 1000;
const LONGEST = 5000;
const COMMANDS = /** @type {const} */ (["start", "pause", "advance", "epoch", "restart", "open"]);

/**
 * Follow the training of a source. Its commands tell their answer at once, too, so a click is seen without waiting.
 *
 * @param {Source} source
 * @param {Told} told
 * @returns {() => void} ends it
 */
export function follow(source, told) {
  const follower = new Follower(source.training, told);
  tellCommands(source.training, follower);
  follower.begin();
  return () => follower.end();
}

class Follower {
  /** @param {Training} training @param {Told} told */
  constructor(training, told) {
    this.training = training;
    this.told = told;
    this.known = "";
    this.running = false;
    this.failures = 0;
    this.answers = 0; // a state asked for before the latest answer is older than it
    this.timer = 0;
    this.ended = false;
    this.onVisible = () => this.later(0);
  }

  begin() {
    document.addEventListener("visibilitychange", this.onVisible);
    void this.ask();
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  /** @param {number} wait milliseconds */
  later(wait) {
    clearTimeout(this.timer);
    if (this.ended || document.hidden) return;
    this.timer = setTimeout(() => void this.ask(), wait);
  }

  async ask() {
    const before = this.answers;
    try {
      const state = await this.training.state();
      if (before === this.answers) this.heard(state);
    } catch (error) {
      this.failed(error);
    }
    this.later(this.failures ? Math.min(LONGEST, 500 * 2 ** (this.failures - 1)) : this.running ? RUNNING : IDLE);
  }

  /** @param {TrainingState} state */
  heard(state) {
    if (this.ended) return;
    this.answers += 1;
    if (this.failures) this.told.gone(null);
    this.failures = 0;
    this.running = state.running;
    const text = JSON.stringify(state);
    if (text === this.known) return;
    this.known = text;
    this.told.state(state);
  }

  /** @param {unknown} error */
  failed(error) {
    if (this.ended) return;
    this.failures += 1;
    const words = error instanceof Error ? error.message : String(error);
    if (this.failures === 2) this.told.gone(words); // once may be chance
  }
}

/** @param {Training} training @param {Follower} follower */
function tellCommands(training, follower) {
  for (const name of COMMANDS) {
    const command = /** @type {((...values: any[]) => Promise<TrainingState>) | undefined} */ (training[name]);
    if (!command) continue;
    Object.assign(training, {
      [name]: async (/** @type {any[]} */ ...values) => {
        const state = await command.apply(training, values);
        follower.heard(state);
        follower.later(state.running ? RUNNING : IDLE);
        return state;
      },
    });
  }
}
