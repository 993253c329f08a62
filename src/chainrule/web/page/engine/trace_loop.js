/**
 * Computes traces on request, in a worker or in the page itself.
 *
 * @import {BatchStep, Description, Frame, NDArray, Nudge, Picture} from "../types.js"
 * @typedef {{
 *   description: Description, frame: Frame, picture: Picture, batch: BatchStep | null, nudge: Nudge | null,
 * }} Traced  what a trace depends on
 * @typedef {{values: Map<string, NDArray>, label: number, answer: number[]} | {error: string}} Answer
 */
import { errorMessage } from "../error_message.js";
import { answer, makeTrace } from "./trace.js";

export class TraceLoop {
  /** @type {Partial<Traced>} */
  #known = {};

  /** @param {(answer: Answer, given?: Transferable[]) => void} heard  given: the memory of its arrays, used by nothing else */
  constructor(heard) {
    this.heard = heard;
  }

  /** Answers with a trace. @param {Partial<Traced>} news  what differs from the request before */
  receive(news) {
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
    return { error: errorMessage(error) };
  }
}
