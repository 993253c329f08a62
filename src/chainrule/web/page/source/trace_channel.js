import { TraceLoop } from "../engine/trace_loop.js";
import { inWorker } from "./channels.js";

/**
 * A channel to the loop that traces: in the page, and once that could hold the page up, in a worker.
 *
 * A worker takes longer to start than a small network's trace takes, so one is started only where traces follow each other,
 * as while a number is nudged, or where one took long.
 *
 * @import {Answer, Traced} from "../engine/trace_loop.js"
 * @import {Channel} from "./channels.js"
 */
const FOLLOW_UP = 500; // milliseconds within which traces follow each other
const LONG_TRACE = 80; // milliseconds of a trace that holds the page up: the next one waits for the worker

export class TraceChannel {
  /** @type {Channel | null} */
  #worker = null;
  #state = "none"; // of the worker: none, opening, ready, refused
  /** @type {Partial<Traced>}  what the worker knows */
  #previous = {};
  /** @type {Traced | null}  what the worker computes, or will once it is ready */
  #pending = null;
  #began = 0;
  #ended = -Infinity;
  #duration = 0;

  /** @param {(answer: Answer, held: number) => void} onAnswer  pageTime: milliseconds that the page was blocked by it */
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
    this.localLoop = new TraceLoop((answer) => this.#computed(answer));
  }

  /** Asks for a trace, which is answered now or later; one request at a time. @param {Traced} request */
  send(request) {
    const isLong = this.#duration > LONG_TRACE;
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

  /** Passes to the worker what differs from the request before. @param {Traced} request */
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

  /** Goes on in the page, where a browser allows no worker or ends it. */
  #fallBack() {
    const request = this.#pending;
    this.#worker?.close();
    [this.#state, this.#pending] = ["refused", null];
    if (request) this.#compute(request);
  }
}
