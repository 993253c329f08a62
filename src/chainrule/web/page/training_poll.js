/** Follows the training by polling its state, a few times a second while it runs and less often when it does not. */

/** @typedef {import("./types.js").Training} Training */
/** @typedef {import("./types.js").TrainingState} TrainingState */

const WHILE_RUNNING = 250; // milliseconds
const WHILE_MEASURING = 500; // the server measures gradient norms of earlier steps
const WHILE_RESTING = 2000; // another window may start it

export class Following {
  /** @type {TrainingState | null} */
  state = null;
  #timer = 0;
  #questions = 0;
  #answered = 0;

  /**
   * @param {Training} training
   * @param {() => void} reached  called after every answer
   * @param {(restarted: boolean) => void} changed
   * @param {(error: unknown) => void} failed
   */
  constructor(training, reached, changed, failed) {
    this.reached = reached;
    this.changed = changed;
    this.failed = failed;
    this.asked = () => training.state();
    /** @type {Training} */
    this.training = {
      state: () => this.#heard(training.state()),
      series: (after) => training.series(after),
      start: () => this.#heard(training.start()),
      pause: () => this.#heard(training.pause()),
      advance: (steps) => this.#heard(training.advance(steps)),
      epoch: () => this.#heard(training.epoch()),
      restart: () => this.#heard(training.restart()),
      ...several(training, (answer) => this.#heard(answer)),
    };
  }

  begin() {
    document.addEventListener("visibilitychange", () => this.#ask());
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      await this.#heard(this.asked());
    } catch (error) {
      this.failed(error);
      this.#later(WHILE_RESTING);
    }
  }

  /**
   * Takes an answer. One to an earlier request than the last one answered may be older than it, so the state is polled
   * @param {Promise<TrainingState>} answer
   */
  async #heard(answer) {
    const question = (this.#questions += 1);
    const state = await answer;
    if (question < this.#answered) {
      this.#later(0);
      return state;
    }
    this.#answered = question;
    const before = this.state;
    this.state = state;
    this.reached();
    const restarted = before !== null && (state.newest < before.newest || before.history !== state.history);
    if (JSON.stringify(before) !== JSON.stringify(state)) this.changed(restarted);
    this.#later(pauseAfter(state));
    return state;
  }

  /** @param {number} milliseconds */
  #later(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), milliseconds);
  }
}

/** @param {TrainingState} state */
function pauseAfter({ running, survey }) {
  if (running) return WHILE_RUNNING;
  return survey && survey.measured < survey.of ? WHILE_MEASURING : WHILE_RESTING;
}

/**
 * Wraps the optional methods of a training, which it has where there are several histories.
 * @param {Training} training @param {(answer: Promise<TrainingState>) => Promise<TrainingState>} heard
 */
function several(training, heard) {
  return {
    ...(training.about && { about: () => training.about?.() ?? "" }),
    ...(training.norms && { norms: training.norms.bind(training) }),
    ...(training.marks && { marks: () => training.marks?.() ?? [] }),
    ...(training.histories && { histories: () => training.histories?.() ?? [] }),
    ...(training.begin && { begin: (/** @type {number} */ step) => heard(training.begin?.(step) ?? training.state()) }),
    ...(training.open && { open: (/** @type {string} */ name) => heard(training.open?.(name) ?? training.state()) }),
  };
}
