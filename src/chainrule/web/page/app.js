/** The page's state in one place: address, image, trace and training. The views are notified of changes. */

import { showBanner, hideBanner } from "./banner.js";
import { sizeOf } from "./engine/tensor.js";
import { answer } from "./engine/trace.js";
import { canonical } from "./explain/index.js";
import { TrainingPoll } from "./training_poll.js";
import { lackingWords, lacks } from "./update_availability.js";
import { batchPicture, sampleName, sampleNumber, sampleOf } from "./source/samples.js";
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
  /** @type {Frame | null} */
  frame = null;
  /** @type {string | null} */
  alone = null;
  /** @type {BatchStep | null} */
  #batch = null;
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

  /**
   * @param {Source} source
   * @param {Description} description
   */
  constructor(source, description) {
    this.description = description;
    this.tracing = new Tracing(source, description, () => this.#traced(), (error) => this.#untraced(error));
    this.poll = new TrainingPoll(
      source.training,
      () => this.#onReached(),
      (restarted) => this.#trained(restarted),
      (error) => this.#onLost(error),
    );
    this.source = { ...source, training: this.poll.training };
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
    if (!location.hash) history.replaceState(null, "", this.description.start ?? address({ ...START, sample: 0 }));
    await this.#arrive();
    this.poll.begin();
  }

  /** @param {string} what  place, trace or training @param {() => void} listener */
  listen(what, listener) {
    this.#listeners.add(what, listener);
  }

  /**
   * Changes the place and the address. A change of the step alone adds no entry to the browser history.
   * A series of images adds a single entry.
   * @param {Partial<Place>} change
   */
  go(change) {
    const before = this.place;
    const isSample = typeof change.sample === "number";
    const place = { ...before, ...(isSample ? { image: null, why: null } : {}), ...change };
    const isOtherStep = change.step !== undefined && change.step !== before.step && change.image === undefined;
    if (isOtherStep && before.image !== null) Object.assign(place, { image: null, sample: null, why: null }); // the image stays; it is not in the other batch
    if (before.why && !place.why && change.step === undefined) place.step = null; // the question about a step is left
    if (address(place) === address(before)) return;
    const others = ["phase", "cell", "why", "stop", "hold"].every((key) => same(place, before, key));
    const browsing = others && !same(place, before, "sample");
    const slight = others && (this.#browsing || !browsing);
    this.#browsing = browsing || (this.#browsing && slight);
    history[slight ? "replaceState" : "pushState"](null, "", address(place));
    hideBanner("address");
    this.#moveTo(place);
  }

  /**
   * Shows another image. With a label of null, the gradient uses the network's own prediction.
   * @param {Picture} picture
   */
  show(picture) {
    this.picture = picture;
    const sample = sampleNumber(picture.from);
    if (sample === this.place.sample && this.place.image === null) this.#retrace();
    else this.go({ sample, image: null, why: null });
  }

  /** Changes a number of the shown step until another cell is shown. @param {Nudge | null} change */
  nudge(change) {
    if (!this.frame || !this.picture || (!change && !this.#nudged)) return; // a new trace would replace the slider
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

  async #arrive() {
    this.#browsing = false;
    const { place, complaints } = readAddress(location.hash);
    const isSample = !this.picture || sampleNumber(this.picture.from) !== null;
    if (place.sample === null && place.image === null && !this.#drawn && isSample) place.sample = 0;
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
    const unmoved = ["sample", "image", "step"].every((key) => same(place, before, key));
    const kept = !this.#nudged || (same(place, before, "cell") && same(place, before, "hold"));
    const isSameStep = wantsBatch(place) === wantsBatch(before);
    if (this.trace && unmoved && kept && isSameStep) this.#checkCells();
    else await this.#retrace();
  }

  async #retrace() {
    this.#nudged = false;
    this.#request += 1;
    this.#pendingRetraces += 1;
    this.#markBusy();
    const request = this.#request;
    try {
      const frame = await this.#chooseFrame();
      const batch = await this.#chooseBatch(frame);
      if (request !== this.#request) return;
      await this.#choosePicture(batch);
      if (request !== this.#request || !this.picture) return;
      this.frame = frame;
      this.tracing.ask(frame, this.picture, batch);
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
    if (!wantsBatch(place)) return null;
    if (this.#batch?.step === frame.step) return this.#batch;
    if (place.step === null && (!training || training.running)) {
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

  /** @param {BatchStep | null} batch */
  async #choosePicture(batch) {
    if (this.place.image !== null) {
      const picture = batch && batchPicture(batch, this.place.image);
      if (picture && picture.from === this.picture?.from && picture.x.every((byte, at) => byte === this.picture?.x[at])) return;
      if (picture) this.picture = picture;
      if (picture || (this.#deferred && this.picture)) return;
      this.place = { ...this.place, image: null, why: null, sample: 0 };
      history.replaceState(null, "", address(this.place));
    }
    const number = this.place.sample;
    if (number === null) {
      if (!this.picture || sampleNumber(this.picture.from) !== null) this.picture = this.#drawn;
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
    this.#checkCells();
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

  /** Replaces aliases of cells in the address by their canonical names; drops cells that do not exist. */
  #checkCells() {
    if (!this.trace) return;
    /** @type {Partial<Place>} */
    const change = {};
    const complaints = [];
    for (const key of /** @type {const} */ (["cell", "hold", "why"])) {
      const cell = this.place[key];
      const { name, problem } = cell === null ? { name: null, problem: "" } : this.#checked(this.trace, cell, key);
      if (problem) complaints.push(problem);
      if (name !== cell) change[key] = name;
    }
    if (complaints.length) showBanner("address", complaints.join(" "));
    if (!Object.keys(change).length) return;
    this.place = { ...this.place, ...change };
    history.replaceState(null, "", address(this.place));
    this.#listeners.notify("place");
  }

  /**
   * Returns the canonical name of a cell in the address, or null and why it cannot be shown.
   * @param {import("./types.js").Trace} trace @param {string} cell @param {"cell" | "hold" | "why"} key
   */
  #checked(trace, cell, key) {
    try {
      const name = canonical(trace, cell);
      if (key !== "why") return { name, problem: "" };
      if (!trace.batch) return this.alone ? { name: null, problem: `The change of ${cell} cannot be shown: ${this.alone}.` } : { name, problem: "" };
      const isWeight = trace.values.has(`${name.replace(/\[.*$/u, "")}.update`);
      return isWeight ? { name, problem: "" } : { name: null, problem: `The address asks why “${cell}” changed, but it is no weight that training changes.` };
    } catch (error) {
      if (this.#deferred) return { name: cell, problem: "" };
      const why = lacks(trace, cell)
        ? lackingWords(trace).replace(/\.$/, ` (“${cell}”).`)
        : `The address names “${cell}”, which does not exist in this network (${errorMessage(error)}).`;
      return { name: null, problem: `${why} No cell is selected.` };
    }
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

/** Returns whether a place requires the training step with its batch. @param {Place} place */
function wantsBatch({ phase, image, why }) {
  return image !== null || why !== null || phase === "update";
}

/** @param {Place} a @param {Place} b @param {string} key */
function same(a, b, key) {
  return a[/** @type {keyof Place} */ (key)] === b[/** @type {keyof Place} */ (key)];
}
