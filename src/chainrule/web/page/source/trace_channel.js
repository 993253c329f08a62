import { sizeOf } from "../engine/tensor.js";
import { TraceLoop } from "../engine/trace_loop.js";
import { inWorker } from "./channels.js";

/**
 * Computes traces in the page, or in a worker once they could block the page.
 *
 * Starting a worker takes longer than the trace of a small network. It is therefore started only for a large network, after a
 * long trace, or when traces follow each other, for example while the reader nudges a number.
 *
 * @import {Answer, Traced} from "../engine/trace_loop.js"
 * @import {Channel} from "./channels.js"
 */
const FOLLOW_UP = 500; // milliseconds; a trace this soon after another one starts the worker
const LARGE = 1e6; // products in the forward pass of a network whose first trace waits for the worker
const LONG_TRACE = 80; // milliseconds; after a longer trace in the page, the next one waits for the worker

export class TraceChannel {
  /** @type {Channel | null} */
  #worker = null;
  #state = "none"; // state of the worker: none, opening, ready or failed
  /** @type {Partial<Traced>}  the previous request to the worker */
  #previous = {};
  /** @type {Traced | null}  the request that the worker computes, or will compute once it is ready */
  #pending = null;
  #began = 0;
  #ended = -Infinity;
  #duration = 0;

  /**
   * @param {(answer: Answer, pageTime: number) => void} onAnswer  pageTime: milliseconds for which the trace blocked
   *   the page
   */
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
    this.localLoop = new TraceLoop((answer) => this.#computed(answer));
  }

  /** Requests a trace; the answer may come immediately. There is only one request at a time. @param {Traced} request */
  send(request) {
    const isLong = this.#ended < 0 ? productsOf(request.description) > LARGE : this.#duration > LONG_TRACE;
    if (this.#state === "none" && (isLong || performance.now() - this.#ended < FOLLOW_UP)) this.#open();
    if (this.#state === "ready") this.#sendToWorker(request);
    else if (this.#state === "opening" && isLong) this.#pending = request;
    else this.#compute(request);
  }

  /** Computes a trace in the page. @param {Traced} request */
  #compute(request) {
    this.#began = performance.now();
    this.localLoop.receive(request);
  }

  /** @param {Answer} answer */
  #computed(answer) {
    this.#ended = performance.now();
    this.#duration = this.#ended - this.#began;
    this.onAnswer(answer, this.#duration);
  }

  /** Sends the worker only the fields that differ from the previous request. @param {Traced} request */
  #sendToWorker(request) {
    const previous = new Map(Object.entries(this.#previous));
    this.#previous = this.#pending = request;
    this.#worker?.send(Object.fromEntries(Object.entries(request).filter(([name, value]) => previous.get(name) !== value)));
  }

  #open() {
    this.#state = "opening";
    const open = inWorker("tracing", () => this.#begin());
    try {
      this.#worker = open((answer) => this.#answered(answer), () => this.#fallBack());
    } catch {
      this.#fallBack();
    }
  }

  #begin() {
    this.#state = "ready";
    if (this.#pending) this.#sendToWorker(this.#pending);
  }

  /** @param {Answer} answer */
  #answered(answer) {
    this.#pending = null;
    this.onAnswer(answer, 0);
  }

  /** Falls back to computing in the page if the browser does not allow the worker or stops it. */
  #fallBack() {
    const request = this.#pending;
    this.#worker?.close();
    [this.#state, this.#pending] = ["failed", null];
    if (request) this.#compute(request);
  }
}

/** Returns the number of products of weights and inputs in the forward pass. @param {Traced["description"]} description */
function productsOf({ plan }) {
  return plan.forward.reduce((sum, { reads: [, weights], writes: [y] }) => {
    return weights?.kind === "parameter" ? sum + (sizeOf(y.shape) * sizeOf(weights.shape)) / weights.shape[0] : sum;
  }, 0);
}
