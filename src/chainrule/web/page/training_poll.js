/** Polls the training state: a few times per second while training runs, otherwise less often. */

/** @typedef {import("./types.js").Training} Training */
/** @typedef {import("./types.js").TrainingState} TrainingState */

const WHILE_RUNNING = 250; // milliseconds between polls
const WHILE_MEASURING = 500; // while the server measures gradient norms of earlier steps
const WHILE_RESTING = 2000; // another window may start training

export class TrainingPoll {
  /** @type {TrainingState | null} */
  state = null;
  #timer = 0;
  #sent = 0;
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
    this.poll = () => training.state();
    /** @type {Training} */
    this.training = {
      state: () => this.#receive(training.state()),
      series: (after) => training.series(after),
      start: () => this.#receive(training.start()),
      pause: () => this.#receive(training.pause()),
      advance: (steps) => this.#receive(training.advance(steps)),
      epoch: () => this.#receive(training.epoch()),
      restart: () => this.#receive(training.restart()),
      ...optionalMethods(training, (answer) => this.#receive(answer)),
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
      await this.#receive(this.poll());
    } catch (error) {
      this.failed(error);
      this.#later(WHILE_RESTING);
    }
  }

  /**
   * Receives an answer. An answer that arrives after that of a later request may be outdated, so the state is polled again.
   * @param {Promise<TrainingState>} answer
   */
  async #receive(answer) {
    const question = (this.#sent += 1);
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
 * Wraps the optional methods of a training.
 * @param {Training} training @param {(answer: Promise<TrainingState>) => Promise<TrainingState>} receive
 */
function optionalMethods(training, receive) {
  return {
    ...(training.about && { about: () => training.about?.() ?? "" }),
    ...(training.rate && { rate: training.rate.bind(training), setRate: training.setRate?.bind(training) }),
    ...(training.norms && { norms: training.norms.bind(training) }),
    ...(training.marks && { marks: () => training.marks?.() ?? [] }),
    ...(training.histories && { histories: () => training.histories?.() ?? [] }),
    ...(training.begin && { begin: (/** @type {number} */ step) => receive(training.begin?.(step) ?? training.state()) }),
    ...(training.open && { open: (/** @type {string} */ name) => receive(training.open?.(name) ?? training.state()) }),
  };
}
