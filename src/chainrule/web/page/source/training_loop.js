/**
 * The training loop of the page. It handles requests between steps, stores keyframes, and recomputes the frame of any
 * step from the last keyframe before the step.
 *
 * @import {BatchStep, Description, Frame} from "../types.js"
 * @import {BatchWalk} from "../engine/training.js"
 * @typedef {import("../types.js").Samples} Samples
 * @typedef {{
 *   id: number, kind: "begin" | "until" | "frame" | "step" | "contributions",
 *   description?: Description, frame?: Frame, samples?: Samples, size?: number, step?: number,
 *   name?: string, indices?: number[],
 * }} Request  begin: start a history from a frame; until: train up to a step (stop if it is completed); frame: the frame
 *   of a step; step: the training step after that frame;
 *   contributions: those of each image of its batch to the gradients of elements of a parameter
 * @typedef {{step: number, loss: number, accuracy: number}} Stepped
 * @typedef {{frame?: Frame, batchStep?: BatchStep, contributions?: number[][]}} Content
 * @typedef {Content & {id: number, error?: string} | {steps: Stepped[], kept: number[], error?: string}} Answer
 *   the answer to the request with this id, or a report: the completed steps and the steps of the keyframes
 */
import { contributions } from "../engine/contributions.js";
import { Trainer } from "../engine/training.js";
import { clipping, squares } from "../engine/updating.js";
import { errorMessage } from "../error_message.js";
import { batch } from "./batches.js";
import { Keyframes } from "./keyframes.js";
import { samplePixels } from "./samples.js";

const REPORT_INTERVAL = 100; // milliseconds
const SLICE = 12; // milliseconds of training between requests

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
    this.unreported = [];
    this.lastReport = 0;
    /** @type {{id: number, to: number, step: number, trainer: Trainer, content: (trainer: Trainer) => Content}[]} */
    this.replays = [];
    /** @type {{batchStep: BatchStep, walk: BatchWalk} | null}  the last requested step */
    this.recent = null;
    this.awake = false;
  }

  /** @param {Request} request */
  receive(request) {
    try {
      if (request.kind === "begin") this.begin(request);
      else if (request.kind === "until") this.go(request);
      else this.answerAt(request, this.answerFor(request));
    } catch (error) {
      this.answer({ id: request.id, error: errorMessage(error) });
    }
  }

  /** @param {Request} request */
  begin({ id, description, frame, samples, size }) {
    if (!description || !frame || !samples || !size) throw new Error("training requires a network and images");
    this.task = { description, samples, size };
    this.keyframes = new Keyframes(frame);
    this.trainer = new Trainer(description, frame);
    this.step = this.until = frame.step;
    this.unreported = [];
    this.replays = [];
    this.recent = null;
    this.answer({ id });
  }

  /** @param {Request} request */
  go({ id, step = 0 }) {
    this.until = step;
    if (step <= this.step) this.report();
    this.answer({ id });
    this.wake();
  }

  /** Returns the function that answers a request, given a trainer at its step. @param {Request} request */
  answerFor({ kind, name = "", indices = [] }) {
    return (/** @type {Trainer} */ trainer) => {
      if (kind === "frame") {
        const frame = trainer.frame();
        this.keyframes?.remember(frame);
        return { frame };
      }
      const { batchStep, walk } = this.inspect(trainer);
      return kind === "step" ? { batchStep } : { contributions: contributions(walk, name, indices) };
    };
  }

  /** Returns the next step of a trainer, and the forward and backward pass of its batch. @param {Trainer} trainer */
  inspect(trainer) {
    const { step, rate } = trainer.frame();
    if (this.recent?.batchStep.step === step) return this.recent;
    const { numbers, pictures } = this.batch(step - (this.keyframes?.first.step ?? 0));
    const copy = new Trainer(trainer.description, trainer.frame());
    const walk = copy.walk(pictures);
    const gradient = walk.gradient.slice();
    copy.step(pictures, walk);
    const norm = Math.sqrt(squares(gradient));
    const scale = clipping(norm, trainer.description.recipe.clip_norm);
    const images = joined(pictures.x);
    const { targets, weights } = pictures;
    const labels = targets ? null : pictures.labels;
    const batchStep = { step, rate, norm, scale, after: copy.frame(), gradient, numbers, labels, targets, weights, images };
    this.recent = { batchStep, walk };
    return this.recent;
  }

  /** @param {Request} request @param {(trainer: Trainer) => Content} content */
  answerAt({ id, step = 0 }, content) {
    if (!this.task || !this.trainer || !this.keyframes) throw new Error("no training has begun");
    const first = this.keyframes.first.step;
    if (step < first || step > this.step) throw new Error(`there is no step ${step}; expected ${first} to ${this.step}`);
    if (step === this.step) {
      this.answer({ id, ...content(this.trainer) });
      return;
    }
    const keyframe = this.keyframes.before(step);
    this.replays.push({ id, to: step, step: keyframe.step, trainer: new Trainer(this.task.description, keyframe), content });
    this.wake();
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    setTimeout(() => this.work(), 0);
  }

  /** Computes steps of a replay and of training for a few milliseconds, then yields to requests. */
  work() {
    this.awake = false;
    const end = performance.now() + SLICE;
    try {
      do {
        this.replay();
        if (this.step < this.until) this.train();
      } while (performance.now() < end && (this.step < this.until || this.replays.length));
    } catch (error) {
      this.until = this.step;
      this.report(errorMessage(error));
    }
    if (this.step < this.until || this.replays.length) this.wake();
  }

  train() {
    const { trainer, keyframes } = this;
    if (!trainer || !keyframes) return;
    const result = this.take(trainer, this.step - keyframes.first.step);
    this.step += 1;
    if (keyframes.keeps(this.step)) keyframes.keep(trainer.frame());
    this.unreported.push({ step: this.step, loss: result.loss, accuracy: result.accuracy });
    if (this.step >= this.until || performance.now() - this.lastReport > REPORT_INTERVAL) this.report();
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
    this.replays.shift();
    this.answer({ id: replay.id, ...replay.content(replay.trainer) });
  }

  /** @param {Trainer} trainer @param {number} step  number of earlier steps in this history */
  take(trainer, step) {
    return trainer.step(this.batch(step).pictures);
  }

  /** Returns the images of a batch, and their indices. @param {number} step  number of earlier steps in this history */
  batch(step) {
    if (!this.task) throw new Error("no training has begun");
    const { description, samples, size } = this.task;
    const numbers = batch(step, samples.count, size, description.recipe.seed);
    const x = numbers.map((n) => samplePixels(samples, n));
    const [targets, weights] = [samples.targets, samples.weights].map((rows) => rows && numbers.map((n) => rows[n]));
    return { numbers, pictures: { x, labels: numbers.map((n) => samples.labels[n] ?? 0), targets, weights } };
  }

  /** @param {string} [error] */
  report(error) {
    this.answer({ steps: this.unreported, kept: this.keyframes?.steps ?? [], ...(error && { error }) });
    this.unreported = [];
    this.lastReport = performance.now();
  }
}

/** Joins arrays of one size and kind. @param {(Uint8Array | Float32Array)[]} arrays */
function joined(arrays) {
  const [{ length }] = arrays;
  const all = arrays[0] instanceof Uint8Array ? new Uint8Array(arrays.length * length) : new Float32Array(arrays.length * length);
  arrays.forEach((array, n) => all.set(array, n * length));
  return all;
}
