/**
 * A history of training on this page: sends requests to the worker and stores its reports.
 *
 * @import {Description, Frame, Series, TrainingState} from "../types.js"
 * @import {Answer, Content, Request, Samples, Stepped} from "./training_loop.js"
 * @import {OpenChannel} from "./channels.js"
 */
import { batchSize, epochSteps } from "./batches.js";

export class PageHistory {
  /**
   * @param {OpenChannel} openChannel @param {Description} description @param {Samples} samples @param {Frame} frame
   * @param {number} [size]  batch size
   */
  constructor(openChannel, description, samples, frame, size = batchSize(samples.count, description.recipe.batch_size)) {
    this.origin = frame.step;
    this.size = size;
    this.rate = frame.rate;
    this.epochSteps = epochSteps(samples.count, this.size);
    this.step = frame.step;
    this.until = frame.step;
    /** @type {string | null} */
    this.message = null;
    /** @type {number[]} */
    this.kept = [frame.step];
    /** @type {Stepped[]} */
    this.steps = [];
    /** @type {Map<number, {resolve(content: Content): void, reject(error: Error): void}>} */
    this.pending = new Map();
    this.lastId = 0;
    this.channel = openChannel((answer) => this.receive(answer), (words) => this.fail(`training on this page stopped: ${words}`));
    this.ready = this.request({ kind: "begin", description, frame, samples, size: this.size });
  }

  /** @param {Omit<Request, "id">} request @returns {Promise<Content>} */
  request(request) {
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.channel.send({ ...request, id });
    });
  }

  /** @param {Answer} answer */
  receive(answer) {
    if ("id" in answer) {
      const pending = this.pending.get(answer.id);
      this.pending.delete(answer.id);
      if (answer.error) pending?.reject(new Error(answer.error));
      else pending?.resolve(answer);
      return;
    }
    this.steps.push(...answer.steps);
    this.step = answer.steps.at(-1)?.step ?? this.step;
    if (answer.kept.length) this.kept = answer.kept;
    if (answer.error) this.fail(answer.error);
  }

  /** @param {string} words */
  fail(words) {
    this.message = words;
    this.until = this.step;
    for (const { reject } of this.pending.values()) reject(new Error(words));
    this.pending.clear();
  }

  /** Trains until `step` steps are completed; 0 stops. @param {number} step */
  async trainUntil(step) {
    await this.ready;
    this.message = null;
    await this.request({ kind: "until", step });
    this.until = step > this.step ? step : this.step;
  }

  /** The step at the end of the current epoch. */
  get epochEnd() {
    return this.origin + (Math.floor((this.step - this.origin) / this.epochSteps) + 1) * this.epochSteps;
  }

  /**
   * Returns a part of the worker's answer. @template {keyof Content} K
   *
   * @param {K} part @param {Omit<Request, "id">} request @returns {Promise<NonNullable<Content[K]>>}
   */
  async #asked(part, request) {
    await this.ready;
    const answer = (await this.request(request))[part];
    if (!answer) throw new Error(`no ${part} was returned`);
    return /** @type {NonNullable<Content[K]>} */ (answer);
  }

  /** @param {number | null} step */
  frame(step) {
    return this.#asked("frame", { kind: "frame", step: step ?? this.step });
  }

  /** @param {number} step */
  batchStep(step) {
    return this.#asked("batchStep", { kind: "step", step });
  }

  /** @param {number} step @param {string} name @param {number[]} indices */
  contributions(step, name, indices) {
    return this.#asked("contributions", { kind: "contributions", step, name, indices });
  }

  /** @param {number} after @returns {Series} */
  series(after) {
    const steps = this.steps.slice(Math.max(0, after - this.origin));
    const [loss, accuracy] = [steps.map((entry) => entry.loss), steps.map((entry) => entry.accuracy)];
    return { first: after + 1, loss, accuracy };
  }

  /** @returns {TrainingState} */
  state() {
    const { epochSteps: epoch, message, origin, step } = this;
    const running = this.until > step;
    return { step, steps: 0, epochSteps: epoch, running, message, newest: step, history: "page", origin };
  }

  end() {
    this.channel.close();
    this.fail("this training was ended");
  }
}
