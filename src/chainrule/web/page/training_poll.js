/** Polls the training state: a few times per second while training runs, otherwise less often. */

/** @typedef {import("./types.js").Training} Training */
/** @typedef {import("./types.js").TrainingState} TrainingState */

const WHILE_RUNNING = 250; // milliseconds between polls
const WHILE_RESTING = 2000; // another window may start training

const ANSWERS = ["state", "start", "pause", "advance", "epoch", "restart", "begin", "open"]; // requests answered with a state

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
    this.training = reporting(training, (answer) => this.#receive(answer));
  }

  begin() {
    document.addEventListener("visibilitychange", () => this.#ask());
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      await this.training.state();
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
    this.#later(state.running ? WHILE_RUNNING : WHILE_RESTING);
    return state;
  }

  /** @param {number} milliseconds */
  #later(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), milliseconds);
  }
}

/**
 * Returns a training that also passes the states it answers with to `receive`.
 * @param {Training} training @param {(answer: Promise<TrainingState>) => Promise<TrainingState>} receive
 */
function reporting(training, receive) {
  return new Proxy(training, {
    get(target, name) {
      const method = Reflect.get(target, name)?.bind(target);
      if (!ANSWERS.includes(String(name))) return method;
      return method && ((/** @type {unknown[]} */ ...request) => receive(method(...request)));
    },
  });
}
