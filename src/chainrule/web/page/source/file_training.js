/**
 * Training in the self-contained file. There are two histories. The run's is over: its steps were taken in Python on
 * all the data, and of some of them the file holds the network. The page's begins where one asks for it, at one of
 * those: its steps are taken here, on the pictures in the file.
 *
 * @import {Description, Frame, History, Mark, Series, Training, TrainingState} from "../types.js"
 * @import {OpenChannel} from "./page_course.js"
 * @import {Samples} from "./training_loop.js"
 * @typedef {{
 *   description: Description, frames: Frame[], samples: Samples, series: Series, training: TrainingState,
 * }} Contents  of the file; frames: in the order of their steps, the newest last
 */
import { batchSize } from "./batches.js";
import { PageCourse } from "./page_course.js";

const whole = new Intl.NumberFormat("en-US");

/** @implements {Training} */
export class FileTraining {
  /** @param {Contents} contents @param {OpenChannel} channel  to a worker, or what does without one */
  constructor(contents, channel) {
    this.contents = contents;
    this.channel = channel;
    /** @type {PageCourse | null} the page's history, once there is one */
    this.course = null;
    /** @type {PageCourse | null} that of the two which is open; null: the run's */
    this.opened = null;
  }

  // ------------------------------------------------------------------ what any training answers

  async state() {
    if (this.opened) return this.opened.state();
    const { step, steps, epochSteps } = this.contents.training;
    return { step, steps, epochSteps, running: false, message: "", newest: step, history: "run", origin: 0, sparse: true };
  }

  /** @param {number} after @returns {Promise<Series>} */
  async series(after) {
    if (this.opened) return this.opened.series(after);
    const { loss, accuracy, norms, norm_steps: steps } = this.contents.series;
    const from = steps.filter((step) => step <= after).length;
    const layers = Object.entries(norms).map(([layer, values]) => [layer, values.slice(from)]);
    const columns = { loss: loss.slice(after), accuracy: accuracy.slice(after), norm_steps: steps.slice(from) };
    return { first: after + 1, ...columns, norms: Object.fromEntries(layers) };
  }

  start() {
    return this.go(() => Number.MAX_SAFE_INTEGER);
  }

  pause() {
    return this.go(() => 0);
  }

  /** @param {number} steps */
  advance(steps) {
    return this.go((course) => course.step + steps);
  }

  epoch() {
    return this.go((course) => course.epochEnd);
  }

  /** Training on this page from the first weights. */
  restart() {
    return this.begun(this.contents.frames[0]);
  }

  // ------------------------------------------------------------------ the histories

  /** @returns {History[]} */
  histories() {
    if (!this.course) return [];
    return [
      { name: "run", words: "The run" },
      { name: "page", words: "Training on this page" },
    ];
  }

  /** @param {string} name */
  async open(name) {
    await this.course?.go(0);
    this.opened = name === "page" ? this.course : null;
    return this.state();
  }

  /** Training on this page, from a step of the run. @param {number} step */
  async begin(step) {
    const usable = this.contents.frames.filter((frame) => this.canBegin(frame)).map((frame) => whole.format(frame.step));
    const frame = this.contents.frames.find((each) => each.step === step);
    if (!frame || !this.canBegin(frame)) {
      throw new Error(
        `Training cannot go on from step ${whole.format(step)}: the file does not hold the optimizer's moments there. ` +
          `It can from step ${usable.join(" or ")}.`,
      );
    }
    return this.begun(frame);
  }

  /** @returns {Mark[]} */
  marks() {
    if (this.opened) return this.opened.kept.map((step) => ({ step, words: `step ${whole.format(step)}: kept` }));
    return this.contents.frames.map(({ step }) => ({ step, words: `step ${whole.format(step)}: in this file` }));
  }

  /** What the history that is open learnt from, in words. */
  about() {
    const { description, frames, samples } = this.contents;
    if (!this.opened) {
      return `The run was trained in Python on all of its data; this file holds the network as it was at ` +
        `${frames.length} of its steps, marked below. Training on this page begins from one of them, and learns only the ` +
        `${samples.count} pictures in this file.`;
    }
    const { origin, size } = this.opened;
    return `Trained on this page, from step ${whole.format(origin)} of the run: only on the ${samples.count} pictures ` +
      `in this file, ${size} a step, at a constant rate of ${rateOf(description, size)}. It will soon know these by heart, ` +
      `which says little about other pictures.`;
  }

  /** @param {number | null} step @returns {Promise<Frame>} */
  async frame(step) {
    if (this.opened) return this.opened.frame(step);
    const { frames } = this.contents;
    const frame = step === null ? frames[frames.length - 1] : frames.find((each) => each.step === step);
    if (frame) return frame;
    const known = frames.map((each) => whole.format(each.step)).join(", ");
    throw new Error(`this file does not hold step ${step} of the run; it holds steps ${known}`);
  }

  // ------------------------------------------------------------------ how

  /** @param {Frame | undefined} frame */
  async begun(frame) {
    if (!frame || !this.canBegin(frame)) throw new Error("this file holds no step that training can begin from");
    const { description, samples } = this.contents;
    if (!samples.count) throw new Error("this file holds no pictures to learn from");
    this.course?.end();
    const rate = rateOf(description, batchSize(samples.count, description.recipe.batch_size));
    this.course = new PageCourse(this.channel, description, samples, { ...frame, rate });
    this.opened = this.course;
    await this.course.begun;
    return this.state();
  }

  /** @param {(course: PageCourse) => number} until */
  async go(until) {
    if (!this.opened) throw new Error("The run is over. Training on this page begins from one of its steps.");
    await this.opened.go(until(this.opened));
    return this.state();
  }

  /** @param {Frame} frame */
  canBegin(frame) {
    const needed = this.contents.description.optimizer.moments.length;
    return frame.moments !== null || needed === 0 || frame.step === 0; // before the first step they are zeros
  }
}

/**
 * The recipe's rate, smaller as the root of the batch is: fewer pictures tell less of the way.
 *
 * @param {Description} description @param {number} size
 */
function rateOf({ optimizer, recipe }, size) {
  return Number((optimizer.rate * Math.sqrt(Math.min(1, size / recipe.batch_size))).toPrecision(2));
}
