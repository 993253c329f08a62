/**
 * Training in the self-contained file. There are up to two histories. The run's history was trained in Python on all
 * data; the file contains its frames at some steps. The page's history exists once the reader trains: it starts at one
 * of these frames, and its steps are computed here, on the images in the file.
 *
 * @import {BatchStep, Description, Frame, History, Mark, Series, Training, TrainingState} from "../types.js"
 * @import {OpenChannel} from "./channels.js"
 * @import {Samples} from "./training_loop.js"
 * @typedef {{
 *   description: Description, frames: Frame[], samples: Samples, series: Series, training: TrainingState,
 *   storedStep?: import("./stored_step.js").StoredStep | null,
 * }} Contents  of the file; frames: sorted by step
 */
import { whole } from "../numbers_brief.js";
import { batchSize } from "./batches.js";
import { PageHistory } from "./page_history.js";

const NO_IMAGES = "this file does not contain the images of its batch";

/** @implements {Training} */
export class FileTraining {
  /** @param {Contents} contents @param {OpenChannel} channel  to a worker or to this thread */
  constructor(contents, channel) {
    this.contents = contents;
    this.channel = channel;
    const { description, samples } = contents;
    this.chosenRate = rateOf(description, batchSize(samples.count, description.recipe.batch_size));
    /** @type {PageHistory | null} the page's history, once it exists */
    this.pageHistory = null;
    /** @type {PageHistory | null} the open history; null: the run's */
    this.current = null;
  }

  // ------------------------------------------------------------------ the interface of Training

  async state() {
    if (this.current) return this.current.state();
    const { step, steps, epochSteps, message } = this.contents.training;
    const early = this.contents.storedStep?.step ?? this.contents.training.early;
    return { step, steps, epochSteps, early, running: false, message, newest: step, history: "run", origin: 0, sparse: true };
  }

  /** @param {number} after @returns {Promise<Series>} */
  async series(after) {
    if (this.current) return this.current.series(after);
    const { loss, accuracy } = this.contents.series;
    return { first: after + 1, loss: loss.slice(after), accuracy: accuracy.slice(after) };
  }

  start() {
    return this.trainUntil(() => Number.MAX_SAFE_INTEGER);
  }

  pause() {
    return this.trainUntil(() => 0);
  }

  /** @param {number} steps */
  advance(steps) {
    return this.trainUntil((history) => history.step + steps);
  }

  epoch() {
    return this.trainUntil((history) => history.epochEnd);
  }

  /** Starts training on this page from the initial weights. */
  restart() {
    return this.startFrom(this.contents.frames[0]);
  }

  /** Returns the learning rate of new training on this page. */
  rate() {
    return this.chosenRate;
  }

  /** @param {number} rate */
  setRate(rate) {
    this.chosenRate = rate;
  }

  // ------------------------------------------------------------------ the histories

  /** @returns {History[]} */
  histories() {
    if (!this.pageHistory) return [];
    return [
      { name: "run", words: "The run" },
      { name: "page", words: "Training on this page" },
    ];
  }

  /** @param {string} name */
  async open(name) {
    await this.pageHistory?.trainUntil(0);
    this.current = name === "page" ? this.pageHistory : null;
    return this.state();
  }

  /** Starts training on this page from a step of the run. @param {number} step */
  async begin(step) {
    const usable = this.contents.frames.filter((frame) => this.canBegin(frame)).map((frame) => whole(frame.step));
    const frame = this.contents.frames.find((candidate) => candidate.step === step);
    if (!frame || !this.canBegin(frame)) {
      throw new Error(
        `Training cannot continue from step ${whole(step)}: the file has no optimizer moments there. ` +
          `It can from step ${usable.join(" or ")}.`,
      );
    }
    return this.startFrom(frame);
  }

  /** @returns {Mark[]} */
  marks() {
    if (this.current) return this.current.kept.map((step) => ({ step, words: `step ${whole(step)}: stored` }));
    return this.contents.frames.map(({ step }) => ({ step, words: `step ${whole(step)}: in this file` }));
  }

  /** Describes the training data of the open history. */
  about() {
    const { frames, samples } = this.contents;
    if (!this.current && !this.contents.training.step) return `Training on this page uses only the ${samples.count} images in this file.`;
    if (!this.current) {
      return `The run was trained in Python on all its data; this file contains the network at ${frames.length} of ` +
        `its steps, marked below. Training on this page starts from one of them and uses only the ` +
        `${samples.count} images in this file.`;
    }
    const { origin, size, rate } = this.current;
    return `Trained on this page from step ${whole(origin)} of the run, on only the ${samples.count} images in ` +
      `this file, in batches of ${size}, at a constant learning rate of ${rate}. The network will ` +
      `soon memorize them, so its accuracy on them says little about other images.`;
  }

  /** @param {number | null} step @returns {Promise<Frame>} */
  async frame(step) {
    if (this.current) return this.current.frame(step);
    const { frames } = this.contents;
    const frame = step === null ? frames[frames.length - 1] : frames.find((candidate) => candidate.step === step);
    if (frame) return frame;
    const stored = frames.map((candidate) => whole(candidate.step)).join(", ");
    throw new Error(`this file does not contain step ${step} of the run; it contains steps ${stored}`);
  }

  /** @param {number} step @returns {Promise<BatchStep>} */
  async batchStep(step) {
    return this.current ? this.current.batchStep(step) : this.storedStep(step).batchStep();
  }

  /** @param {number} step @param {string} name @param {number[]} indices @returns {Promise<number[][]>} */
  async contributions(step, name, indices) {
    return this.current ? this.current.contributions(step, name, indices) : this.storedStep(step).contributions(name, indices);
  }

  /** Returns the stored training step of the run. @param {number} step */
  storedStep(step) {
    const { storedStep } = this.contents;
    if (storedStep?.step !== step) throw new Error(storedStep ? `${NO_IMAGES}; it does for step ${whole(storedStep.step + 1)}` : NO_IMAGES);
    return storedStep;
  }

  // ------------------------------------------------------------------ implementation

  /** @param {Frame | undefined} frame */
  async startFrom(frame) {
    if (!frame || !this.canBegin(frame)) throw new Error("this file contains no step to start training from");
    const { description, samples } = this.contents;
    if (!samples.count) throw new Error("this file contains no images to train on");
    this.pageHistory?.end();
    this.pageHistory = new PageHistory(this.channel, description, samples, { ...frame, rate: this.chosenRate });
    this.current = this.pageHistory;
    await this.pageHistory.ready;
    return this.state();
  }

  /** @param {(history: PageHistory) => number} until */
  async trainUntil(until) {
    if (!this.current) throw new Error("The run is over. Training on this page starts from one of its steps.");
    await this.current.trainUntil(until(this.current));
    return this.state();
  }

  /** @param {Frame} frame */
  canBegin(frame) {
    const needed = this.contents.description.optimizer.moments.length;
    return frame.moments !== null || needed === 0 || frame.step === 0; // before the first step, moments are zeros
  }
}

/**
 * Returns the recipe's learning rate, scaled by the square root of the ratio of batch sizes.
 *
 * @param {Description} description @param {number} size
 */
function rateOf({ optimizer, recipe }, size) {
  return Number((optimizer.learning_rate * Math.sqrt(Math.min(1, size / recipe.batch_size))).toPrecision(2));
}
