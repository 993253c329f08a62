/**
 * The training loop of the page: takes one step after another and handles requests in between. It keeps keyframes and
 * recomputes the frame of any step from the keyframe before it.
 *
 * @import {Description, Frame} from "../types.js"
 * @typedef {import("../types.js").Samples} Samples
 * @typedef {{
 *   id: number, kind: "begin" | "until" | "frame",
 *   description?: Description, frame?: Frame, samples?: Samples, size?: number, step?: number,
 * }} Request  begin: a history, from a frame; until: train up to a step (a completed one: stop); frame: of a step
 * @typedef {{step: number, loss: number, accuracy: number, norms: Record<string, number>}} Stepped
 * @typedef {{id: number, frame?: Frame, error?: string} | {steps: Stepped[], kept: number[], error?: string}} Answer
 *   to a request by its id, or a report: the steps taken, and the steps of the keyframes
 */
import { Trainer } from "../engine/training.js";
import { wordsOf } from "../trouble.js";
import { batch } from "./batches.js";
import { Keyframes } from "./keyframes.js";
import { samplePixels } from "./samples.js";

const NEWS = 100; // milliseconds between two reports
const MOMENT = 12; // milliseconds

export class TrainingLoop {
  /** @param {(answer: Answer) => void} answer */
  constructor(answer) {
    this.answer = answer;
    /** @type {{description: Description, samples: Samples, size: number} | null} */
    this.task = null;
    /** @type {Trainer | null} */
    this.trainer = null;
    /** @type {Keyframes | null} */
    this.keyframes = null;
    this.step = 0;
    this.until = 0;
    /** @type {Stepped[]} */
    this.untold = [];
    this.told = 0;
    /** @type {{id: number, to: number, step: number, trainer: Trainer}[]} */
    this.replays = [];
    this.awake = false;
  }

  /** @param {Request} request */
  receive(request) {
    try {
      if (request.kind === "begin") this.begin(request);
      else if (request.kind === "until") this.go(request);
      else this.find(request);
    } catch (error) {
      this.answer({ id: request.id, error: wordsOf(error) });
    }
  }

  /** @param {Request} request */
  begin({ id, description, frame, samples, size }) {
    if (!description || !frame || !samples || !size) throw new Error("training needs a network and images");
    this.task = { description, samples, size };
    this.keyframes = new Keyframes(frame);
    this.trainer = new Trainer(description, frame);
    this.step = this.until = frame.step;
    this.untold = [];
    this.replays = [];
    this.answer({ id });
  }

  /** @param {Request} request */
  go({ id, step = 0 }) {
    this.until = step;
    if (step <= this.step) this.tell();
    this.answer({ id });
    this.wake();
  }

  /** @param {Request} request */
  find({ id, step = 0 }) {
    if (!this.task || !this.trainer || !this.keyframes) throw new Error("no training has begun");
    const first = this.keyframes.first.step;
    if (step < first || step > this.step) throw new Error(`there is no step ${step}; expected ${first} to ${this.step}`);
    if (step === this.step) {
      this.answer({ id, frame: this.trainer.frame() });
      return;
    }
    const known = this.keyframes.before(step);
    this.replays.push({ id, to: step, step: known.step, trainer: new Trainer(this.task.description, known) });
    this.wake();
  }

  /** Cancels all training and replays. */
  end() {
    this.until = this.step;
    this.replays = [];
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    setTimeout(() => this.turn(), 0);
  }

  /** Takes steps of a replay and of training for a moment, then yields to requests. */
  turn() {
    this.awake = false;
    const end = performance.now() + MOMENT;
    try {
      do {
        this.replay();
        if (this.step < this.until) this.train();
      } while (performance.now() < end && (this.step < this.until || this.replays.length));
    } catch (error) {
      this.until = this.step;
      this.tell(wordsOf(error));
    }
    if (this.step < this.until || this.replays.length) this.wake();
  }

  train() {
    const { trainer, keyframes } = this;
    if (!trainer || !keyframes) return;
    const result = this.take(trainer, this.step - keyframes.first.step);
    this.step += 1;
    if (keyframes.wants(this.step)) keyframes.keep(trainer.frame());
    this.untold.push({ step: this.step, ...result });
    if (this.step >= this.until || performance.now() - this.told > NEWS) this.tell();
  }

  replay() {
    const replay = this.replays[0];
    if (!replay || !this.keyframes) return;
    if (replay.step < replay.to) {
      this.take(replay.trainer, replay.step - this.keyframes.first.step);
      replay.step += 1;
      if (replay.step === replay.to - 1) this.keyframes.remember(replay.trainer.frame());
    }
    if (replay.step < replay.to) return;
    const frame = replay.trainer.frame();
    this.keyframes.remember(frame);
    this.replays.shift();
    this.answer({ id: replay.id, frame });
  }

  /** @param {Trainer} trainer @param {number} step  number of steps before it in this history */
  take(trainer, step) {
    if (!this.task) throw new Error("no training has begun");
    const { description, samples, size } = this.task;
    const chosen = batch(step, samples.count, size, description.recipe.seed);
    return trainer.step({
      x: chosen.map((n) => samplePixels(samples, n)),
      labels: chosen.map((n) => samples.labels[n] ?? 0),
    });
  }

  /** @param {string} [error] */
  tell(error) {
    this.answer({ steps: this.untold, kept: this.keyframes?.steps ?? [], ...(error && { error }) });
    this.untold = [];
    this.told = performance.now();
  }
}
