/** The page's state in one place: address, image, trace and training. The views are notified of changes. */

import { showBanner, hideBanner } from "./banner.js";
import { sizeOf } from "./engine/tensor.js";
import { answer } from "./engine/trace.js";
import { canonical } from "./explain/index.js";
import { openingPlace } from "./start_here.js";
import { TrainingPoll } from "./training_poll.js";
import { lackingWords, lacks } from "./update_availability.js";
import { sampleName, sampleNumber, sampleOf } from "./source/samples.js";
import { Unreachable } from "./source/server.js";
import { Listeners, START, address, readAddress } from "./state.js";
import { Tracing } from "./tracing.js";
import { errorMessage } from "./error_message.js";

/** @typedef {import("./types.js").App} App */
/** @typedef {import("./types.js").Nudge} Nudge */
/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").BatchStep} BatchStep */
/** @typedef {import("./types.js").Frame} Frame */

const UNREACHABLE = "The server of this page does not answer. The page still works, but training is paused. " +
  "If chainrule was stopped, start it again and open the address it prints; this page keeps trying to reconnect.";

/** @implements {App} */
export class Application {
  /** @type {Place} */
  place = { ...START };
  /** @type {Picture | null} */
  picture = null;
  /** @type {string | null} */
  hovered = null;
  /** @type {Frame | null} */
  frame = null;
  /** @type {string | null} */
  alone = null;
  /** @type {BatchStep | null} */
  #batch = null;
  /** @type {Source} */
  #source; // without the poll, so that requests do not change the page's state
  #nudged = false;
  #deferred = false; // whether to show the training step once training pauses
  #listeners = new Listeners();
  /** @type {Picture | null} */
  #drawn = null;
  #unreachable = false;
  #renewing = false;
  #request = 0; // number of the newest request; results of older ones are dropped
  #pendingRetraces = 0; // retraces that have not requested their trace yet
  #browsing = false; // whether the last change was to another image
  /** @type {Map<string, string>} */
  #viewStates = new Map();

  /**
   * @param {Source} source
   * @param {Description} description
   */
  constructor(source, description) {
    this.description = description;
    this.#source = source;
    this.tracing = new Tracing(source, description, () => this.#traced(), (error) => this.#untraced(error));
    this.poll = new TrainingPoll(
      source.training,
      () => this.#onReached(),
      (restarted) => this.#trained(restarted),
      (error) => this.#onLost(error),
    );
    this.source = { ...bindSource(source), training: this.poll.training };
    addEventListener("popstate", () => this.#arrive());
  }

  get trace() {
    return this.tracing.trace;
  }

  get training() {
    return this.poll.state;
  }

  /** Opens the place in the address and starts to poll the training state. */
  async begin() {
    const opening = location.hash || (await this.#opening());
    if (!location.hash) history.replaceState(null, "", opening); // the address may have changed meanwhile
    await this.#arrive();
    this.poll.begin();
  }

  /** @param {string} what  place, trace, training or hover @param {() => void} listener */
  listen(what, listener) {
    this.#listeners.add(what, listener);
  }

  /**
   * Changes the place and the address. Changes of the step or of a view's own state add no entry to the browser history.
   * A series of images adds a single entry.
   * @param {Partial<Place>} change
   */
  go(change) {
    const before = this.place;
    const place = { ...before, ...change };
    if (place.view !== before.view && change.rest === undefined) place.rest = this.#viewStates.get(place.view) ?? "";
    this.#viewStates.set(before.view, before.rest);
    if (address(place) === address(before)) return;
    const others = ["view", "phase", "cell", "alone"].every((key) => same(place, before, key));
    const browsing = others && !same(place, before, "sample");
    const slight = others && (this.#browsing || !browsing);
    this.#browsing = browsing || (this.#browsing && slight);
    history[slight ? "replaceState" : "pushState"](null, "", address(place));
    hideBanner("address");
    if (place.view !== before.view) hideBanner("training");
    this.#moveTo(place);
  }

  /**
   * Shows another image. With a label of null, the gradient uses the network's own prediction.
   * @param {Picture} picture
   */
  show(picture) {
    this.picture = picture;
    const sample = sampleNumber(picture.from);
    if (sample === this.place.sample) this.#retrace();
    else this.go({ sample });
  }

  /** @param {string | null} cell */
  hover(cell) {
    if (cell === this.hovered) return;
    this.hovered = cell;
    this.#listeners.notify("hover");
  }

  /** Changes a number of the shown step until another cell is shown. @param {Nudge | null} change */
  nudge(change) {
    if (!this.frame || !this.picture) return;
    this.#nudged = change !== null;
    this.tracing.ask(this.frame, this.picture, this.trace?.batch ?? null, change);
    this.#markBusy();
  }

  /** Returns the network's output for an image, even without a trace; null before the first frame. @param {Picture} picture */
  answer(picture) {
    const nudge = this.#nudged ? (this.trace?.nudge ?? null) : null;
    if (!this.frame) return null;
    return this.tracing.answer(picture, nudge) ?? answer(this.description, this.frame, picture, nudge).probabilities;
  }

  /** @param {string} kind @param {unknown} error */
  showError(kind, error) {
    if (error instanceof Unreachable) this.#onLost(error);
    else showBanner(kind, errorMessage(error));
  }

  /** Returns the default address to open. */
  async #opening() {
    const { start } = this.description;
    if (start) return start;
    const opening = await openingPlace(this.#source, this.description).catch(() => ({})); // the views report the error
    return address({ ...START, ...opening });
  }

  async #arrive() {
    this.#browsing = false;
    const { place, complaints } = readAddress(location.hash);
    const isSample = !this.picture || sampleNumber(this.picture.from) !== null;
    if (place.sample === null && !this.#drawn && isSample) place.sample = 0;
    if (complaints.length) showBanner("address", complaints.join(" "));
    else hideBanner("address");
    if (address(place) !== location.hash) history.replaceState(null, "", address(place));
    await this.#moveTo(place);
  }

  /** @param {Place} place */
  async #moveTo(place) {
    const before = this.place;
    this.place = place;
    this.#listeners.notify("place");
    const unmoved = same(place, before, "sample") && same(place, before, "step");
    const kept = !this.#nudged || same(place, before, "cell");
    if (this.trace && unmoved && kept && wantsBatch(place, this.description) === wantsBatch(before, this.description)) this.#checkCell();
    else await this.#retrace();
  }

  async #retrace() {
    this.#nudged = false;
    this.#request += 1;
    this.#pendingRetraces += 1;
    this.#markBusy();
    const request = this.#request;
    try {
      const [frame] = await Promise.all([this.#chooseFrame(), this.#choosePicture()]);
      if (request !== this.#request || !this.picture) return;
      this.frame = frame;
      const batch = await this.#chooseBatch(frame);
      if (request === this.#request) this.tracing.ask(frame, this.picture, batch);
    } catch (error) {
      this.showError("trace", error);
    } finally {
      this.#pendingRetraces -= 1;
      this.#markBusy();
    }
  }

  /** Returns the training step after a frame if updates are shown; null if it is unavailable. @param {Frame} frame */
  async #chooseBatch(frame) {
    const { place, training } = this;
    this.alone = null;
    this.#deferred = false;
    if (!wantsBatch(place, this.description)) return null;
    if (this.#batch?.step === frame.step) return this.#batch;
    if (!training || (training.running && place.step === null)) {
      this.#deferred = true;
      if (training) this.alone = "it appears once training pauses";
      return null;
    }
    try {
      this.#batch = await this.source.batchStep(frame.step);
      return this.#batch;
    } catch (error) {
      if (error instanceof Unreachable) throw error;
      this.alone = errorMessage(error);
      return null;
    }
  }

  async #choosePicture() {
    const number = this.place.sample;
    if (number === null) {
      if (this.picture && sampleNumber(this.picture.from) !== null) this.picture = this.#drawn;
      this.#drawn = this.picture;
    } else if (this.picture?.from !== sampleName(number)) {
      const samples = await this.source.samples();
      const { count } = samples;
      if (this.place.sample !== number) return;
      const valid = number < count ? number : 0;
      if (valid !== number) {
        showBanner("address", `There is no sample ${number}; ${count ? `the samples are 0 to ${count - 1}. Showing sample 0` : "there are no samples here"}.`);
        this.place = { ...this.place, sample: 0 };
        history.replaceState(null, "", address(this.place));
      }
      this.picture = count ? sampleOf(samples, valid) : this.#emptyPicture();
    }
  }

  /** Returns an empty image, for a network without samples. @returns {Picture} */
  #emptyPicture() {
    return { x: new Uint8Array(sizeOf(this.description.input_shape)), label: null, from: "drawn" };
  }

  async #chooseFrame() {
    const step = this.place.step;
    try {
      return await this.tracing.frame(step);
    } catch (error) {
      if (step === null || error instanceof Unreachable) throw error;
      const why = errorMessage(error);
      showBanner("address", `Step ${step} cannot be shown (${why}). Showing the newest step.`);
      this.place = { ...this.place, step: null };
      history.replaceState(null, "", address(this.place));
      return this.tracing.frame(null);
    }
  }

  #traced() {
    hideBanner("trace");
    this.#checkCell();
    this.#listeners.notify("trace");
    this.#markBusy();
  }

  /** @param {unknown} error */
  #untraced(error) {
    this.showError("trace", error);
    this.#markBusy();
  }

  /** Marks the page as busy while its values are being recomputed. */
  #markBusy() {
    const busy = this.#pendingRetraces > 0 || this.tracing.pending;
    document.querySelector("main")?.setAttribute("aria-busy", String(busy));
  }

  /** Replaces an alias of a cell in the address by its canonical name; drops a cell that does not exist. */
  #checkCell() {
    const { cell } = this.place;
    if (cell === null || !this.trace) return;
    let name = null;
    try {
      name = canonical(this.trace, cell);
    } catch (error) {
      if (this.#deferred) return;
      const why = lacks(this.trace, cell)
        ? lackingWords(this.trace).replace(/\.$/, ` (“${cell}”).`)
        : `The address names “${cell}”, which does not exist in this network `  +
          `(${errorMessage(error)}).`;
      showBanner("address", `${why} No cell is selected.`);
    }
    if (name === cell) return;
    this.place = { ...this.place, cell: name };
    history.replaceState(null, "", address(this.place));
    this.#listeners.notify("place");
  }

  /** @param {boolean} restarted */
  async #trained(restarted) {
    if (restarted) {
      this.tracing.forget();
      this.#batch = null;
    }
    this.#listeners.notify("training");
    if (this.#deferred && !this.training?.running) void this.#retrace();
    const early = this.training?.running && !this.tracing.due; // the next state arrives soon
    if (this.#renewing || early || !this.#catchUp()) return;
    this.#renewing = true;
    try {
      for (let state = null; state !== this.training && this.#catchUp(); ) {
        state = this.training;
        await this.tracing.renew();
        if (this.place.step === null) await this.#retrace();
        if (this.training?.running) return;
      }
    } catch (error) {
      this.showError("trace", error);
    } finally {
      this.#renewing = false;
    }
  }

  /** Returns whether there is a newer step to show. */
  #catchUp() {
    const newest = this.training?.newest ?? 0;
    return this.place.step === null && this.tracing.newest?.step !== newest;
  }

  #onReached() {
    hideBanner("server");
    if (this.#unreachable && this.trace?.frame !== this.frame) this.#retrace();
    this.#unreachable = false;
  }

  /** @param {unknown} error */
  #onLost(error) {
    this.#unreachable ||= error instanceof Unreachable;
    if (error instanceof Unreachable) showBanner("server", UNREACHABLE);
    else this.showError("training", error);
  }
}

/** @param {Source} source */
function bindSource(source) {
  return {
    description: () => source.description(),
    frame: (/** @type {number | null} */ step) => source.frame(step),
    samples: () => source.samples(),
    batchStep: (/** @type {number} */ step) => source.batchStep(step),
    contributions: (/** @type {[number, string, number]} */ ...cell) => source.contributions(...cell),
    past: (/** @type {string} */ name, /** @type {number} */ index) => source.past(name, index),
  };
}

/** Returns whether a place shows the training step. A stop of a teacher's walk may; the page's own walk follows one image.
 * @param {Place} place @param {Description} description */
function wantsBatch({ view, phase, alone, rest }, { walk }) {
  if (view === "walk") return /\.(?:update|g)\b/u.test(walk?.[Number(rest || 1) - 1]?.cell ?? "");
  return view === "network" && phase === "update" && !alone;
}

/** @param {Place} a @param {Place} b @param {string} key */
function same(a, b, key) {
  return a[/** @type {keyof Place} */ (key)] === b[/** @type {keyof Place} */ (key)];
}
