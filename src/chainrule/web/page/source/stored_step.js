/**
 * The training step that the self-contained file stores with the images of its batch. The parameters after the step are
 * those of the run, to the bit; the gradients are computed here, in float64.
 *
 * @import {BatchStep, Description, Frame} from "../types.js"
 * @import {OpenChannel} from "./channels.js"
 */
import { PageHistory } from "./page_history.js";

export class StoredStep {
  /** @type {PageHistory | null} */
  #history = null;
  /** @type {Promise<BatchStep> | null} */
  #step = null;

  /**
   * @param {OpenChannel} channel  to a worker or to this thread @param {Description} description @param {Frame} before
   * @param {Omit<BatchStep, "gradient">} record
   */
  constructor(channel, description, before, record) {
    this.channel = channel;
    this.description = description;
    this.before = before;
    this.record = record;
  }

  /** Number of completed steps before this one. */
  get step() {
    return this.before.step;
  }

  /** @returns {Promise<BatchStep>} */
  batchStep() {
    this.#step ??= this.#computed();
    return this.#step;
  }

  /** @param {string} name @param {number[]} indices @returns {Promise<number[][]>} */
  contributions(name, indices) {
    return this.history.contributions(this.step, name, indices);
  }

  /** The history in which the batch is the only one. */
  get history() {
    const { labels, images, numbers, targets, weights } = this.record;
    const samples = { count: numbers.length, labels: labels ?? [], targets, weights, x: images ?? new Uint8Array() };
    this.#history ??= new PageHistory(this.channel, this.description, samples, this.before, samples.count);
    return this.#history;
  }

  async #computed() {
    const { gradient } = await this.history.batchStep(this.step);
    return { ...this.record, gradient };
  }
}
