/**
 * Computes traces on request, either in a worker or in the page itself.
 *
 * @import {BatchStep, Description, Frame, NDArray, Nudge, Picture} from "../types.js"
 * @typedef {{
 *   description: Description, frame: Frame, picture: Picture, batch: BatchStep | null, nudge: Nudge | null,
 * }} Traced  everything that a trace depends on
 * @typedef {{values: Map<string, NDArray>, label: number, answer: number[]} | {error: string}} Answer
 */
import { wordsOf } from "../trouble.js";
import { defineElementwise } from "./operations.js";
import { answer, makeTrace } from "./trace.js";

export class TraceLoop {
  /** @type {Partial<Traced>} */
  #known = {};

  /** @param {(answer: Answer, given?: Transferable[]) => void} heard  given: the arrays' buffers, safe to transfer */
  constructor(heard) {
    this.heard = heard;
  }

  /** Computes a trace and answers with it. @param {Partial<Traced>} news  changes since the previous request */
  receive(news) {
    if (news.description) defineElementwise(news.description.operations);
    Object.assign(this.#known, news);
    const found = answered(/** @type {Traced} */ (this.#known));
    const arrays = "values" in found ? [...found.values.values()] : [];
    this.heard(found, [...new Set(arrays.map(({ data }) => data.buffer))]);
  }
}

/** @param {Traced} asked @returns {Answer} */
function answered({ description, frame, picture, batch, nudge }) {
  try {
    const { values, picture: traced } = makeTrace(description, frame, picture, { batch, nudge });
    const { probabilities } = answer(description, frame, picture, nudge);
    return { values, label: /** @type {number} */ (traced.label), answer: probabilities };
  } catch (error) {
    return { error: wordsOf(error) };
  }
}
