/**
 * The buttons of the training, and its state in words.
 *
 * @import {Training, TrainingState} from "../../types.js"
 */
import { sure } from "./asking.js";
import { brief, epochWords, percent, Speed, stepWords, whole } from "./words.js";

export class Controls {
  /** @param {Training} training @param {(error: unknown) => void} failed */
  constructor(training, failed) {
    this.training = training;
    this.failed = failed;
    this.speed = new Speed();
    this.running = false;
    this.element = document.createElement("div");
    this.element.className = "train-controls";
    this.buttons = document.createElement("div");
    this.buttons.className = "train-buttons";
    this.buttons.setAttribute("role", "group");
    this.buttons.setAttribute("aria-label", "Training");
    this.go = this.button("Train", "train-go", () => (this.running ? training.pause() : training.start()));
    this.ways = [
      this.button("1 step", "train-one", () => training.advance(1)),
      this.button("10 steps", "train-ten", () => training.advance(10)),
      this.button("1 epoch", "train-epoch", () => training.epoch()),
    ];
    this.again = this.button("Restart …", "train-again", () => this.restart());
    this.words = document.createElement("dl");
    this.words.className = "train-words";
    this.message = document.createElement("p");
    this.message.className = "train-message";
    this.message.setAttribute("role", "status");
    this.element.append(this.buttons, this.words);
  }

  /** @param {string} text @param {string} name @param {() => unknown} act */
  button(text, name, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `train-button ${name}`;
    button.textContent = text;
    button.disabled = true;
    button.addEventListener("click", async () => {
      try {
        await act();
      } catch (error) {
        this.failed(error);
      }
    });
    this.buttons.append(button);
    return button;
  }

  async restart() {
    const words = "Training begins again from step 0, and what was trained until now is forgotten. The same seed brings " +
      "about the same history, step by step.";
    if (await sure(this.element, "Restart the training?", words, "Restart")) await this.training.restart();
  }

  /** @param {TrainingState} state @param {{loss: number, accuracy: number} | null} numbers  of the newest step */
  show(state, numbers) {
    this.speed.see(state, performance.now());
    this.running = state.running;
    const ended = state.steps > 0 && state.step >= state.steps;
    this.go.textContent = state.running ? "Pause" : ended ? "Trained" : state.step > (state.origin ?? 0) ? "Go on" : "Train";
    this.go.disabled = ended && !state.running;
    this.go.classList.toggle("train-running", state.running);
    for (const way of this.ways) way.disabled = state.running || ended;
    this.again.disabled = state.step === 0 && !state.history;
    this.message.textContent = state.message;
    this.message.hidden = !state.message;
    this.say(state, numbers);
  }

  /** @param {TrainingState} state @param {{loss: number, accuracy: number} | null} numbers */
  say(state, numbers) {
    const epoch = epochWords(state, state.step);
    const rate = this.speed.rate;
    const pairs = [
      ["steps a second", state.running && rate ? (rate < 10 ? brief(rate) : whole(rate)) : ""],
      ["step", stepWords(state, state.step)],
      ...(epoch ? [["epoch", epoch.replace("epoch ", "")]] : []),
      ["loss", numbers ? brief(numbers.loss) : "–"],
      ["accuracy", numbers ? percent(numbers.accuracy) : "–"],
    ];
    if (this.words.children.length !== pairs.length) {
      this.words.replaceChildren(...pairs.map(() => pair()));
    }
    pairs.forEach(([name, value], k) => {
      const [term, number] = this.words.children[k]?.children ?? [];
      if (term && term.textContent !== name) term.textContent = name ?? "";
      this.words.children[k]?.classList.toggle("train-silent", !value);
      if (number && number.textContent !== value) number.textContent = value ?? "";
    });
  }
}

function pair() {
  const element = document.createElement("div");
  element.append(document.createElement("dt"), document.createElement("dd"));
  return element;
}
