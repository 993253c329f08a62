/**
 * Computes traces on request, either in a worker or in the page itself.
 *
 * @import {BatchStep, Description, Frame, NDArray, Nudge, Picture} from "../types.js"
 * @typedef {{
 *   description: Description, frame: Frame, picture: Picture, batch: BatchStep | null, nudge: Nudge | null,
 * }} Traced  the inputs of a trace
 * @typedef {{values: Map<string, NDArray>, label: number | null, answer: number[]} | {error: string}} Answer
 */
import { errorMessage } from "../error_message.js";
import { answer, makeTrace } from "./trace.js";

export class TraceLoop {
  /** @type {Partial<Traced>} */
  #request = {};

  /** @param {(answer: Answer, transfer?: Transferable[]) => void} onAnswer  transfer: buffers of the answer that may be transferred */
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
  }

  /** Computes a trace. @param {Partial<Traced>} changes  fields that differ from the previous request */
  receive(changes) {
    Object.assign(this.#request, changes);
    const result = answerTo(/** @type {Traced} */ (this.#request));
    const arrays = "values" in result ? [...result.values.values()] : [];
    this.onAnswer(result, [...new Set(arrays.map(({ data }) => data.buffer))]);
  }
}

/** @param {Traced} request @returns {Answer} */
function answerTo({ description, frame, picture, batch, nudge }) {
  try {
    const { values, picture: traced } = makeTrace(description, frame, picture, { batch, nudge });
    const { probabilities } = answer(description, frame, picture, nudge);
    return { values, label: traced.label, answer: probabilities };
  } catch (error) {
    return { error: errorMessage(error) };
  }
}
