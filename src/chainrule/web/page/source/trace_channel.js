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
const MOMENT = 500; // milliseconds within which traces follow each other
const LONG = 80; // milliseconds of a trace that holds the page up: the next one waits for the worker

export class TraceChannel {
  /** @type {Channel | null} */
  #worker = null;
  #state = "none"; // of the worker: none, opening, ready, refused
  /** @type {Partial<Traced>}  what the worker knows */
  #known = {};
  /** @type {Traced | null}  what the worker computes, or will once it is ready */
  #awaited = null;
  #began = 0;
  #ended = -Infinity;
  #took = 0;

  /** @param {(answer: Answer, held: number) => void} heard  held: milliseconds for which the page computed it */
  constructor(heard) {
    this.heard = heard;
    this.here = new TraceLoop((answer) => this.#computed(answer));
  }

  /** Asks for a trace, which is answered now or later; one request at a time. @param {Traced} asked */
  send(asked) {
    const isLong = this.#took > LONG;
    if (this.#state === "none" && (isLong || performance.now() - this.#ended < MOMENT)) this.#open();
    if (this.#state === "ready") this.#pass(asked);
    else if (this.#state === "opening" && isLong) this.#awaited = asked;
    else this.#compute(asked);
  }

  /** Computes a trace in the page. @param {Traced} asked */
  #compute(asked) {
    this.#began = performance.now();
    this.here.receive(asked);
  }

  /** @param {Answer} answer */
  #computed(answer) {
    this.#ended = performance.now();
    this.#took = this.#ended - this.#began;
    this.heard(answer, this.#took);
  }

  /** Passes to the worker what differs from the request before. @param {Traced} asked */
  #pass(asked) {
    const known = new Map(Object.entries(this.#known));
    this.#known = this.#awaited = asked;
    this.#worker?.send(Object.fromEntries(Object.entries(asked).filter(([name, value]) => known.get(name) !== value)));
  }

  #open() {
    this.#state = "opening";
    const open = inWorker("tracing", () => this.#begin());
    try {
      this.#worker = open((answer) => this.#answered(answer), () => this.#refuse());
    } catch {
      this.#refuse();
    }
  }

  #begin() {
    this.#state = "ready";
    if (this.#awaited) this.#pass(this.#awaited);
  }

  /** @param {Answer} answer */
  #answered(answer) {
    this.#awaited = null;
    this.heard(answer, 0);
  }

  /** Goes on in the page, where a browser allows no worker or ends it. */
  #refuse() {
    const asked = this.#awaited;
    this.#worker?.close();
    [this.#state, this.#awaited] = ["refused", null];
    if (asked) this.#compute(asked);
  }
}
